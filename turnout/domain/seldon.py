"""Seldon's models: SeldonDeployments of Seldon Core, and Models of Seldon Core 2."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from turnout.domain.dependencies import dependencies
from turnout.domain.document import Document
from turnout.domain.kubernetes_schema import Container, Metadata, Part, PodSpec, Quantity, unread
from turnout.domain.markings import identity
from turnout.domain.workload import Component, Workload

_SERVERS = {
    "SKLEARN_SERVER": "sklearn",
    "XGBOOST_SERVER": "xgboost",
    "TENSORFLOW_SERVER": "tensorflow",
    "MLFLOW_SERVER": "mlflow",
    "TRITON_SERVER": "triton",
    "HUGGINGFACE_SERVER": "huggingface",
    "TEMPO_SERVER": "custom",
}
"""Seldon Core's prepackaged servers."""
_WIRES = {"v2": "v2", "kfserving": "v2", "tensorflow": "v1", "seldon": "seldon"}
"""What a SeldonDeployment calls its protocol; `tensorflow` is what KServe calls v1."""
_ROLES = {"TRANSFORMER": "transformer", "OUTPUT_TRANSFORMER": "transformer", "ROUTER": "router",
          "COMBINER": "combiner"}  # fmt: skip
_REQUIREMENTS = ("sklearn", "xgboost", "lightgbm", "onnx", "tensorflow", "pytorch", "huggingface", "mlflow")


class _Unit(Part):
    name: str
    implementation: str | None = None
    type: str | None = None
    model_uri: str | None = None
    children: tuple[_Unit, ...] = ()


class _PodTemplate(Part):
    spec: PodSpec = PodSpec()
    replicas: int | None = None


class _Explainer(Part):
    type: str | None = None
    model_uri: str | None = None


class _Predictor(Part):
    name: str
    graph: _Unit
    component_specs: tuple[_PodTemplate, ...] = ()
    replicas: int | None = Field(default=None, ge=0)
    traffic: int | None = Field(default=None, ge=0, le=100)
    shadow: bool | None = None
    explainer: _Explainer | None = None


class _Spec(Part):
    name: str | None = None
    protocol: str = "seldon"
    replicas: int | None = Field(default=None, ge=0)
    predictors: tuple[_Predictor, ...]


class _SeldonDeployment(Part):
    metadata: Metadata
    spec: _Spec


def seldon_deployment(document: Document) -> Workload:
    """Read a SeldonDeployment: its main predictor as the workload, the others as a canary or shadow.

    Raises:
        InvalidInputError: What is wrong first, with file and line.
    """
    document = document.without_nulls()
    found = document.read_as(_SeldonDeployment, limit="a SeldonDeployment of machinelearning.seldon.io/v1")
    predictors = found.spec.predictors
    if not predictors:
        raise document.refuse(
            ("spec", "predictors"),
            observed="no predictor",
            limit="a SeldonDeployment with at least one",
            remedy="Add the predictor that serves the model.",
        )
    main = max(predictors, key=lambda one: (not one.shadow, one.traffic or 0))
    model = _model(main.graph)
    framework = _framework(model)
    live = [one for one in predictors if not one.shadow and one.traffic != 0]
    return Workload(
        **identity(document, found.metadata),
        kind="SeldonDeployment",
        framework=framework,
        model_format=model.implementation,
        wire=_WIRES.get(found.spec.protocol),
        storage_uri=model.model_uri,
        components=_components(main, found.spec.replicas),
        canary_in_progress=len(live) > 1,
        dependencies=dependencies(document.value["spec"]),
        extra=_extra(main, predictors),
        unread=tuple(unread(found)),
    )


def _units(unit: _Unit) -> list[_Unit]:
    return [unit, *(inner for child in unit.children for inner in _units(child))]


def _model(graph: _Unit) -> _Unit:
    """The unit that holds the model: the first one with a model's address, else the first of that type."""
    units = _units(graph)
    stored = [unit for unit in units if unit.model_uri]
    return (*stored, *(unit for unit in units if unit.type == "MODEL"), graph)[0]


def _framework(unit: _Unit) -> str:
    return _SERVERS.get(unit.implementation or "", "custom")


def _components(predictor: _Predictor, replicas: int | None) -> tuple[Component, ...]:
    containers = {one.name: one for spec in predictor.component_specs for one in spec.spec.containers}
    count = predictor.replicas if predictor.replicas is not None else replicas
    model = _model(predictor.graph)
    parts = [_component("predictor", model, containers, count)]
    others = [unit for unit in _units(predictor.graph) if unit is not model]
    parts += [
        _component(_ROLES.get(unit.type or "", "predictor"), unit, containers, count) for unit in others
    ]
    if predictor.explainer is not None:
        parts.append(Component(role="explainer", framework=predictor.explainer.type))
    return tuple(parts)


def _component(
    role: str, unit: _Unit, containers: dict[str | None, Container], replicas: int | None
) -> Component:
    container = containers.get(unit.name, Container())
    return Component(
        role=role,
        framework=_framework(unit),
        **container.facts(),
        min_replicas=replicas,
        max_replicas=replicas,
    )


def _extra(main: _Predictor, predictors: tuple[_Predictor, ...]) -> dict[str, Any]:
    others = [
        {"name": one.name, "percent": one.traffic, "storage_uri": _model(one.graph).model_uri}
        for one in predictors
        if one is not main
    ]
    return {"canaries": others} if others else {}


class _ModelSpec(Part):
    storage_uri: str
    secret_name: str | None = None
    requirements: tuple[str, ...] = ()
    memory: Quantity | None = None
    replicas: int | None = Field(default=None, ge=0)
    min_replicas: int | None = Field(default=None, ge=0)
    max_replicas: int | None = Field(default=None, ge=0)
    server: str | None = None
    artifact_version: int | None = None
    model_type: str | None = None


class _Model(Part):
    metadata: Metadata
    spec: _ModelSpec


def seldon_model(document: Document) -> Workload:
    """Read a Model of Seldon Core 2, whose servers speak the Open Inference Protocol (V2).

    Raises:
        InvalidInputError: What is wrong first, with file and line.
    """
    document = document.without_nulls()
    found = document.read_as(_Model, limit="a Model of mlops.seldon.io/v1alpha1")
    spec = found.spec
    framework = next((one for one in spec.requirements if one in _REQUIREMENTS), "custom")
    component = Component(
        role="predictor",
        framework=framework,
        resources={"memory": spec.memory} if spec.memory else {},
        min_replicas=spec.min_replicas if spec.min_replicas is not None else spec.replicas,
        max_replicas=spec.max_replicas if spec.max_replicas is not None else spec.replicas,
    )
    extra = {"requirements": list(spec.requirements), "server": spec.server}
    return Workload(
        **identity(document, found.metadata),
        kind="Model",
        framework=framework,
        model_format=spec.model_type or framework,
        wire="v2",
        storage_uri=spec.storage_uri,
        components=(component,),
        dependencies=dependencies(document.value["spec"]),
        extra={name: value for name, value in extra.items() if value},
        unread=tuple(unread(found)),
    )
