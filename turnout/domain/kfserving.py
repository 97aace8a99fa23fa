"""InferenceServices of v1alpha2, from when KServe was KFServing, in today's form.

There `spec.default` holds what today stands in `spec`, `spec.canary` a whole second set of components with
`canaryTrafficPercent` beside it, and a container of one's own is `custom.container`.
"""

from typing import Any

from turnout.domain.document import Document, Place

OLD_VERSIONS = ("serving.kubeflow.org/v1alpha2", "serving.kserve.io/v1alpha2")
_ROLES = ("predictor", "transformer", "explainer")


def modernised(document: Document) -> Document:
    """The same object as v1beta1 has it; its lines stay those of the file.

    A value of a wrong type is handed on as it is: reading it refuses it.
    """
    spec = document.value.get("spec")
    default = spec.get("default") if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(default, dict):
        return document
    rest = {
        key: value for key, value in spec.items() if key not in ("default", "canary", "canaryTrafficPercent")
    }
    parts = {key: _component(value) if key in _ROLES else value for key, value in default.items()}
    value = {**document.value, "spec": {**rest, **parts, **_canary(spec)}}
    return Document(value=value, file=document.file, lines=_lines(document), base=document.base)


def _component(component: Any) -> Any:
    if not isinstance(component, dict):
        return component
    renamed = {key: value for key, value in component.items() if key not in ("custom", "parallelism")}
    if "parallelism" in component:
        renamed["containerConcurrency"] = component["parallelism"]
    custom = component.get("custom")
    if isinstance(custom, dict) and "container" in custom:
        renamed["containers"] = [custom["container"]]
    elif custom is not None:
        renamed["containers"] = custom
    return renamed


def _canary(spec: dict[str, Any]) -> dict[str, Any]:
    """A canary in progress as v1beta1's list has it."""
    canary = spec.get("canary")
    if canary is None:
        return {}
    predictor = _component(canary.get("predictor")) if isinstance(canary, dict) else canary
    percent = spec.get("canaryTrafficPercent", 0)
    return {"canary": [{"predictor": predictor, "trafficPercent": percent}]}


def _lines(document: Document) -> dict[Place, int]:
    lines = dict(document.lines)
    base = document.base
    old = (*base, "spec", "default")
    for place, line in document.lines.items():
        if place[: len(old)] == old:
            lines.setdefault((*base, "spec", *_renamed(place[len(old) :])), line)
    return lines


def _renamed(place: Place) -> Place:
    if place[1:3] == ("custom", "container"):
        return (*place[:1], "containers", 0, *place[3:])
    return tuple("containerConcurrency" if key == "parallelism" else key for key in place)
