"""Lays a Python model, or a graph of models, out as a package for Ray Serve.

PACKAGE/
application/       the Python files, the same for every package: loaders, graph, Serve application, proof
composition.json   which models there are, and the graph that joins them
models/NAME/       the files of each; for a model of one's own, `predictor.py` among them
serve.json         the declarative Serve application: deployments, replicas, queues, environment
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtimes import Source
from runtimes.ray_serve import scaling
from turnout.domain.composition import RUN
from turnout.domain.errors import InvalidInputError, UnsupportedError
from turnout.domain.workload import Component, Workload

ENVIRONMENT = "ray-models"
"""The locked environment that applications run in; on a cluster an image made from the same lock."""
IMPORT_PATH = "application:app"
INGRESS = "Ingress"
"""Name of the deployment that requests reach first (`application/application.py`)."""
LOADERS = {"sklearn": "sklearn", "custom": "python"}
"""Loader by framework; custom code is served where its owner has brought it as Python."""

_APPLICATION = Path(__file__).parent / "application"
_PREDICTOR = "predictor.py"


@dataclass(frozen=True)
class _Model:
    """One model of a package: its deployment's name, how it was found, where its files lie."""

    name: str
    workload: Workload
    path: Path


def lay_out(source: Source, directory: Path) -> dict[str, Any]:
    """Lay a model out below `directory`.

    Returns:
        The package's `runtime_config`: what Serve imports, from where, and with which options.

    Raises:
        UnsupportedError: A framework, or a graph, that is not served here.
        InvalidInputError: Code of one's own without its predictor.py.
    """
    models, nodes = _models(source), _nodes(source.workload)
    members = {model.name: _copied(model, directory) for model in models}
    composition = {"members": members, "nodes": nodes} if nodes else {"members": members}
    _write(directory / "composition.json", composition)
    shutil.copytree(_APPLICATION, directory / "application", ignore=shutil.ignore_patterns("__*"))
    config = {
        "import_path": IMPORT_PATH,
        "code": "application",
        "environment": ENVIRONMENT,
        "deployments": _deployments(source.workload, models, graph=bool(nodes)),
    }
    _write(directory / "serve.json", config)
    return config


def untranslated(source: Source) -> dict[str, list[str]]:
    """What of the declared scaling has no counterpart, by model."""
    parts = {model.name: _predictor(model.workload) for model in _models(source)}
    found = {name: list(scaling.untranslated(part)) for name, part in parts.items()}
    return {name: lines for name, lines in found.items() if lines}


def _models(source: Source) -> list[_Model]:
    if source.workload.kind != "InferenceGraph":
        return [_Model(INGRESS, source.workload, source.path)]
    return [_Model(name, workload, path) for name, (workload, path) in sorted(source.members.items())]


def _nodes(workload: Workload) -> dict[str, Any]:
    """The graph's nodes, checked for what is not run here."""
    nodes: dict[str, Any] = workload.extra.get("nodes", {})
    for name, node in nodes.items():
        conditions = [step for step in node["steps"] if step.get("condition")]
        if node["routerType"] not in RUN or conditions:
            seen = "a condition" if conditions else f"a {node['routerType']}"
            raise UnsupportedError(
                f"graph {workload.name}, node {name}", observed=seen,
                limit=f"{' or '.join(sorted(RUN))}, without conditions",
                remedy="Its answers would hang on chance, or on a query language that is not read here.",
            )  # fmt: skip
    return nodes


def _copied(model: _Model, directory: Path) -> dict[str, str]:
    """Copy a model's files; how the application opens them."""
    loader = LOADERS.get(model.workload.framework)
    if loader is None:
        raise UnsupportedError(
            f"model {model.workload.name}", observed=f"framework {model.workload.framework}",
            limit=f"one of {', '.join(LOADERS)}", remedy="Choose another runtime for it.",
        )  # fmt: skip
    place = Path("models") / model.name
    if model.path.is_dir():
        shutil.copytree(model.path, directory / place, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        (directory / place).mkdir(parents=True)
        shutil.copyfile(model.path, directory / place / model.path.name)
    if loader == "python" and not (directory / place / _PREDICTOR).is_file():
        raise InvalidInputError(
            f"model {model.workload.name}", observed=f"no {_PREDICTOR} at {model.path}",
            limit="Predictor(directory) with predict(instances), in Python",
            remedy=f"Let its owner bring {_PREDICTOR} beside the model's files.",
        )  # fmt: skip
    return {"loader": loader, "directory": place.as_posix()}


def _deployments(workload: Workload, models: list[_Model], *, graph: bool) -> list[dict[str, Any]]:
    parts = [(one.name, _predictor(one.workload), one.workload.annotations) for one in models]
    if graph:  # it holds no model: many requests wait in one replica, on hardly any CPU
        router = _predictor(workload) or Component(role="router", framework=None)
        light = router.model_copy(update={"requests": {"cpu": "100m"}})
        parts.append((INGRESS, light, workload.annotations))
    return [scaling.options(name, part, annotations) for name, part, annotations in parts]


def _predictor(workload: Workload) -> Component | None:
    return next((part for part in workload.components if part.role in {"predictor", "router"}), None)


def _write(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, indent=2, sort_keys=True))
