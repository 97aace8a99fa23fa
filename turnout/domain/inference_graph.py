"""What calls several models as one: KServe's InferenceGraphs, Seldon's Pipelines and Experiments."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from turnout.domain.document import Document
from turnout.domain.kubernetes_schema import Metadata, Part, Resources, unread
from turnout.domain.markings import identity
from turnout.domain.workload import Component


class Call(BaseModel):
    """One model that a graph calls.

    Attributes:
        target: Name of the model, or the URL where it is called by one.
        step: Where in the graph.
        weight: Its share in percent, where requests are split.
        is_url: The target is a URL.
    """

    model_config = ConfigDict(frozen=True)

    target: str
    step: str
    weight: float | None = None
    is_url: bool = False


class Graph(BaseModel):
    """One object that calls several models.

    Attributes:
        name: Name of the object.
        namespace: Its namespace.
        kind: InferenceGraph, Pipeline or Experiment.
        owner: From its annotation or label.
        calls: The models that it calls.
        inner: Ways inside of it, from step to step: `Switch root -> left`.
        nodes: An InferenceGraph's nodes by name: `routerType`, and steps whose `member` is what they call.
        router: What its router declared of replicas, resources and time.
        marks: What a workload has beside: labels, annotations, criticality, latency class.
        splits: It splits requests between versions right now (an Experiment).
        source: Where it was read.
        unread: Fields that Turnout does not understand.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    namespace: str
    kind: str
    owner: str | None = None
    calls: tuple[Call, ...] = ()
    inner: tuple[str, ...] = ()
    nodes: dict[str, Any] = Field(default_factory=dict)
    router: Component | None = None
    marks: dict[str, Any] = Field(default_factory=dict)
    splits: bool = False
    source: str = ""
    unread: tuple[str, ...] = ()


class _Step(Part):
    name: str | None = None
    node_name: str | None = None
    service_name: str | None = None
    service_url: str | None = None
    data: str | None = None
    weight: int | None = None
    condition: str | None = None
    dependency: str | None = None
    map_predictions_to_instances: bool = False


class _Router(Part):
    router_type: str
    steps: tuple[_Step, ...] = ()


class _GraphSpec(Part):
    nodes: dict[str, _Router] = Field(default_factory=dict)
    resources: Resources = Resources()
    timeout: int | None = None
    min_replicas: int | None = None
    max_replicas: int | None = None


class _InferenceGraph(Part):
    metadata: Metadata
    spec: _GraphSpec


def inference_graph(document: Document) -> Graph:
    """Read an InferenceGraph.

    Raises:
        InvalidInputError: What is wrong first, with file and line.
    """
    document = document.without_nulls()
    found = document.read_as(_InferenceGraph, limit="an InferenceGraph of serving.kserve.io/v1alpha1")
    steps = [
        (node, router, step, f"{node}[{number}]")
        for node, router in found.spec.nodes.items()
        for number, step in enumerate(router.steps)
    ]
    return _graph(
        document,
        found,
        calls=tuple(call for _, _, step, way in steps for call in _call(step, way)),
        inner=tuple(
            f"{router.router_type} {node} -> {step.node_name}"
            for node, router, step, _ in steps
            if step.node_name
        ),
        nodes={node: _node(router) for node, router in found.spec.nodes.items()},
        router=_router(found.spec),
    )


def _node(router: _Router) -> dict[str, Any]:
    """A node as it is run: each step with what it calls, and how the answer of the one before goes on."""
    steps = [
        {
            "name": step.name,
            "nodeName": step.node_name,
            "member": step.service_name or step.service_url,
            "data": step.data,
            "condition": step.condition,
            "mapPredictionsToInstances": step.map_predictions_to_instances,
        }
        for step in router.steps
    ]
    return {
        "routerType": router.router_type,
        "steps": [{key: value for key, value in step.items() if value} for step in steps],
    }


def _router(spec: _GraphSpec) -> Component:
    return Component(
        role="router",
        framework=None,
        resources=spec.resources.limits,
        requests=spec.resources.requests,
        min_replicas=spec.min_replicas,
        max_replicas=spec.max_replicas or None,
        timeout_seconds=spec.timeout,
    )


def _call(step: _Step, way: str) -> Iterator[Call]:
    if step.service_name:
        yield Call(target=step.service_name, step=way, weight=step.weight)
    elif step.service_url:
        yield Call(target=step.service_url, step=way, weight=step.weight, is_url=True)


class _PipelineStep(Part):
    name: str
    inputs: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()


class _PipelineSpec(Part):
    steps: tuple[_PipelineStep, ...] = ()
    output: dict[str, Any] | None = None
    input: dict[str, Any] | None = None


class _Pipeline(Part):
    metadata: Metadata
    spec: _PipelineSpec


def pipeline(document: Document) -> Graph:
    """Read a Pipeline of Seldon Core 2; each step is the Model of that name.

    Raises:
        InvalidInputError: What is wrong first, with file and line.
    """
    document = document.without_nulls()
    found = document.read_as(_Pipeline, limit="a Pipeline of mlops.seldon.io/v1alpha1")
    return _graph(
        document,
        found,
        calls=tuple(Call(target=step.name, step=step.name) for step in found.spec.steps),
        inner=tuple(
            f"{before.split('.')[0]} -> {step.name}" for step in found.spec.steps for before in step.inputs
        ),
    )


class _Candidate(Part):
    name: str
    weight: float | None = None


class _ExperimentSpec(Part):
    default: str | None = None
    resource_type: str | None = None
    candidates: tuple[_Candidate, ...] = ()
    mirror: dict[str, Any] | None = None


class _Experiment(Part):
    metadata: Metadata
    spec: _ExperimentSpec


def experiment(document: Document) -> Graph:
    """Read an Experiment of Seldon Core 2: a split of requests that stands right now.

    Raises:
        InvalidInputError: What is wrong first, with file and line.
    """
    document = document.without_nulls()
    found = document.read_as(_Experiment, limit="an Experiment of mlops.seldon.io/v1alpha1")
    calls = [
        Call(target=one.name, step=f"candidates[{number}]", weight=one.weight)
        for number, one in enumerate(found.spec.candidates)
    ]
    return _graph(document, found, calls=tuple(calls), splits=len(calls) > 1)


def _graph(document: Document, found: Any, **fields: Any) -> Graph:
    marks = identity(document, found.metadata)
    return Graph(
        name=marks["name"],
        namespace=marks["namespace"],
        kind=document.value["kind"],
        owner=marks["owner"],
        marks={name: marks[name] for name in ("labels", "annotations", "criticality", "latency_class")},
        source=marks["source"],
        unread=tuple(unread(found)),
        **fields,
    )
