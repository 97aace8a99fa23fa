"""A KServe InferenceService as a workload: every predictor form, transformer and explainer.

Status fields are read where KServe wrote them and worked out only where it did not; a runtime that nobody
named is found later, among all runtimes (`turnout.domain.serving_runtime`). Called by
`turnout.domain.estate`.
"""

from typing import Any

from turnout.domain.dependencies import dependencies
from turnout.domain.document import Document, say
from turnout.domain.kfserving import OLD_VERSIONS, modernised
from turnout.domain.kserve_schema import (
    ComponentSpec,
    Explainer,
    Implementation,
    InferenceService,
    Predictor,
    StorageUri,
    WorkerSpec,
)
from turnout.domain.kubernetes_schema import Container, unread, without_env_values
from turnout.domain.markings import identity
from turnout.domain.predictor import FORMS, Served, served, storage_of
from turnout.domain.workload import Component, Workload

_API_VERSIONS = ("serving.kserve.io/v1beta1", "serving.kubeflow.org/v1beta1")
_STANDARD_MODES = frozenset({"Standard", "RawDeployment"})
_MODES = {"RawDeployment": "Standard", "Serverless": "Knative"}
"""Old names of deployment modes and today's."""
_MOUNT = "/mnt/models"
"""Where KServe mounts models when nothing else is said."""
_MODE = "serving.kserve.io/deploymentMode"
OPENAI = "openai"
_GENERATES = frozenset({"text_generation", "text2text_generation"})
"""Tasks of KServe's Hugging Face server with endpoints of OpenAI's protocol and no others."""
_LIMIT = "an InferenceService of serving.kserve.io/v1beta1"


def workload(document: Document) -> Workload:
    """Read one InferenceService.

    Raises:
        InvalidInputError: What is wrong first, with file and line.
    """
    document = document.without_nulls()
    if document.value.get("apiVersion") in OLD_VERSIONS:
        document = modernised(document)
    else:
        _check_version(document)
    _check_predictor(document)
    found = document.read_as(InferenceService, limit=_LIMIT)
    form = served(document, found)
    return Workload(
        **identity(document, found.metadata),
        framework=form.framework,
        model_format=form.model_format,
        wire=_wire(form),
        storage_uri=form.storage_uri,
        runtime=form.runtime,
        deployment_mode=_mode(found),
        components=_components(found, form),
        canary_in_progress=_canary(found),
        dependencies=dependencies(document.value["spec"], document.value.get("metadata")),
        extra=_extra(document, found, form),
        unread=tuple(unread(found)),
    )


def _wire(form: Served) -> str | None:
    """What clients speak: KServe's Hugging Face server generates text over OpenAI's protocol alone."""
    generates = form.container.argument("--task") in _GENERATES
    return OPENAI if form.framework == "huggingface" and generates else form.protocol


def _check_version(document: Document) -> None:
    version = document.value.get("apiVersion")
    if version not in _API_VERSIONS:
        raise document.refuse(
            ("apiVersion",),
            observed=f"apiVersion {say(version)}",
            limit=f"one of {', '.join((*_API_VERSIONS, *OLD_VERSIONS))}",
            remedy="Export the object with a KServe of today (kubectl get inferenceservice -o yaml).",
        )


def _check_predictor(document: Document) -> None:
    """Say first, in words of KServe's users, what is missing most often."""
    spec = document.value.get("spec")
    if isinstance(spec, dict) and spec.get("predictor"):
        return
    raise document.refuse(
        ("spec", "predictor"),
        observed="no predictor",
        limit="an InferenceService with spec.predictor",
        remedy="Add the predictor that serves the model.",
    )


def _mode(found: InferenceService) -> str | None:
    mode = found.status.deployment_mode or found.metadata.annotations.get(_MODE)
    return _MODES.get(mode, mode) if mode else None


def _components(found: InferenceService, form: Served) -> tuple[Component, ...]:
    spec = found.spec
    parts = [_component("predictor", form.framework, spec.predictor, form.container)]
    beside = [one for one in spec.predictor.containers if one.name == "transformer-container"]
    parts += [_component("transformer", "custom", ComponentSpec(), one) for one in beside]
    if spec.transformer is not None:
        framework = "custom" if spec.transformer.containers else None
        parts.append(_component("transformer", framework, spec.transformer, spec.transformer.serving()))
    if spec.explainer is not None:
        parts.append(_explainer(spec.explainer))
    if (worker := spec.predictor.worker_spec) is not None:
        parts.append(_worker(form.framework, worker))
    return tuple(parts)


def _explainer(spec: Explainer) -> Component:
    library = spec.library()
    if library:
        name, settings = library
        told = settings.model_dump(include={"type", "storage_uri", "config"}, exclude_defaults=True)
        part = _component("explainer", name, spec, settings)
        return part.model_copy(update={"extra": part.extra | told})
    return _component("explainer", "custom" if spec.containers else None, spec, spec.serving())


def _worker(framework: str, spec: WorkerSpec) -> Component:
    container = spec.serving("worker-container")
    extra = {"sidecars": spec.others(container), "node_selector": spec.node_selector}
    return Component(
        role="worker",
        framework=framework,
        **container.facts(),
        extra={name: value for name, value in extra.items() if value},
    )


def _component(role: str, framework: str | None, spec: ComponentSpec, container: Container) -> Component:
    beside = [one for one in spec.others(container) if one.get("name") != "transformer-container"]
    extra: dict[str, Any] = {"sidecars": beside, "node_selector": spec.node_selector}
    percent = {} if spec.canary_traffic_percent is None else {"canary_percent": spec.canary_traffic_percent}
    return Component(
        role=role,
        framework=framework,
        **container.facts(),
        min_replicas=spec.min_replicas,
        max_replicas=spec.max_replicas or None,
        scale_metric=spec.scale_metric,
        scale_target=spec.scale_target,
        autoscaling=spec.auto_scaling,
        container_concurrency=spec.container_concurrency,
        timeout_seconds=spec.timeout,
        batcher=spec.batcher.model_dump(exclude_none=True) if spec.batcher else None,
        logger=spec.logger.model_dump(exclude_none=True) if spec.logger else None,
        storage_uris=_uris(spec.storage_uris),
        extra={name: value for name, value in extra.items() if value} | percent,
    )


def _uris(storages: tuple[StorageUri, ...]) -> tuple[str, ...]:
    """`URI -> PATH` where it is mounted at a path of its own."""
    own = ((one.uri, one.mount_path or _MOUNT) for one in storages)
    return tuple(uri if path == _MOUNT else f"{uri} -> {path}" for uri, path in own)


def _canary(found: InferenceService) -> bool:
    """KServe's own canary stands between two versions.

    `canaryTrafficPercent` does nothing in the Standard mode (kserve#5335), and nothing where the status shows
    that there is one revision alone.
    """
    parts = {
        "predictor": found.spec.predictor,
        "transformer": found.spec.transformer,
        "explainer": found.spec.explainer,
    }
    return bool(found.spec.canary) or any(
        _between_two(found, name, part.canary_traffic_percent) for name, part in parts.items() if part
    )


def _between_two(found: InferenceService, component: str, percent: int | None) -> bool:
    """Whether a component's traffic is split between two revisions."""
    status = found.status.components.get(component)
    targets = status.traffic if status else ()
    if percent is None or _mode(found) in _STANDARD_MODES:
        return len([target for target in targets if target.percent]) > 1
    return percent < 100 and (status is None or not targets or len(targets) > 1)  # noqa: PLR2004 -- percent


def _extra(document: Document, found: InferenceService, form: Served) -> dict[str, Any]:
    """What plans look at and other workloads do not have."""
    predictor = found.spec.predictor
    worker = predictor.worker_spec
    extra = {
        "variant": predictor.name,
        "node_selector": predictor.node_selector,
        "multi_node": worker is not None,
        "pipeline_parallel_size": worker.pipeline_parallel_size if worker else None,
        "tensor_parallel_size": worker.tensor_parallel_size if worker else None,
        "task": form.container.argument("--task"),
        "storage_uris": [entry.uri for entry in predictor.storage_uris],
        "canaries": _canaries(document, found),
        "storage": _storage(form.container),
        "runtime_asked": _asked(form, is_multi_node=worker is not None),
    }
    return {name: value for name, value in extra.items() if value}


def _canaries(document: Document, found: InferenceService) -> list[dict[str, Any]]:
    """The other versions, each with its predictor as it was written."""
    written = document.value["spec"].get("canary", [])
    return [
        {
            "name": canary.predictor.name,
            "percent": canary.traffic_percent,
            "storage_uri": _stored(canary.predictor),
            "predictor": without_env_values(whole["predictor"]),
        }
        for canary, whole in zip(found.spec.canary, written, strict=True)
    ]


def _stored(predictor: Predictor) -> str | None:
    forms = [getattr(predictor, form) for form in ("model", *FORMS) if getattr(predictor, form)]
    return storage_of(predictor, forms[0]) if forms else None


def _storage(container: Container) -> dict[str, Any]:
    """`storage` as it was written: key of the secret, path, and what overrides the secret."""
    storage = container.storage if isinstance(container, Implementation) else None
    return storage.model_dump(exclude_defaults=True) if storage else {}


def _asked(form: Served, *, is_multi_node: bool) -> dict[str, Any] | None:
    """What KServe would look for among its runtimes; nothing for a custom container."""
    if form.format_name is None:
        return None
    return {
        "from": form.runtime_from,
        "format": form.format_name,
        "version": form.format_version,
        "protocol": form.protocol,
        "is_declared": form.is_declared,
        "multi_node": is_multi_node,
    }
