"""A KServe LLMInferenceService: vLLM's servers behind a scheduler, with prefill apart where it is."""

from typing import Any

from pydantic import Field

from turnout.domain.dependencies import dependencies
from turnout.domain.document import Document
from turnout.domain.kubernetes_schema import Part, PodSpec, ServiceMetadata, unread
from turnout.domain.markings import identity
from turnout.domain.workload import Component, Workload

OPENAI = "openai"
"""What its clients speak: the OpenAI API under /v1."""


class _Adapter(Part):
    uri: str | None = None
    name: str | None = None


class _LoRA(Part):
    adapters: tuple[_Adapter, ...] = ()


class _Model(Part):
    uri: str | None = None
    name: str | None = None
    lora: _LoRA | None = None


class _Scaling(Part):
    min_replicas: int | None = None
    max_replicas: int | None = None


class _Parallelism(Part):
    tensor: int | None = None
    pipeline: int | None = None
    data: int | None = None
    data_local: int | None = None
    expert: bool | None = None


class _Pods(Part):
    replicas: int | None = Field(default=None, ge=0)
    scaling: _Scaling | None = None
    parallelism: _Parallelism | None = None
    template: PodSpec | None = None
    worker: PodSpec | None = None


class _Reference(Part):
    name: str


class _Spec(_Pods):
    model: _Model = _Model()
    prefill: _Pods | None = None
    router: dict[str, Any] | None = None
    base_refs: tuple[_Reference, ...] = ()


class _LLMInferenceService(Part):
    metadata: ServiceMetadata
    spec: _Spec


def llm_inference_service(document: Document) -> Workload:
    """Read an LLMInferenceService.

    What an LLMInferenceServiceConfig adds (`baseRefs`) is named and not merged, so it stays unknown.

    Raises:
        InvalidInputError: What is wrong first, with file and line.
    """
    document = document.without_nulls()
    found = document.read_as(_LLMInferenceService, limit="an LLMInferenceService of serving.kserve.io")
    spec = found.spec
    return Workload(
        **identity(document, found.metadata),
        kind="LLMInferenceService",
        framework="huggingface",
        model_format="vLLM",
        wire=OPENAI,
        storage_uri=spec.model.uri,
        components=_components(spec),
        dependencies=dependencies(document.value["spec"]),
        extra=_extra(spec),
        unread=tuple(unread(found)),
    )


def _components(spec: _Spec) -> tuple[Component, ...]:
    parts = [_component("predictor", spec, spec.template)]
    if spec.worker is not None:
        parts.append(_component("worker", spec, spec.worker))
    if spec.prefill is not None:
        parts.append(_component("prefill", spec.prefill, spec.prefill.template))
    return tuple(parts)


def _component(role: str, pods: _Pods, template: PodSpec | None) -> Component:
    container = (template or PodSpec()).serving("main")
    scaling = pods.scaling
    return Component(
        role=role,
        framework="huggingface",
        **container.facts(),
        min_replicas=scaling.min_replicas if scaling else pods.replicas,
        max_replicas=scaling.max_replicas if scaling else pods.replicas,
    )


def _extra(spec: _Spec) -> dict[str, Any]:
    parallelism = spec.parallelism
    extra = {
        "task": "text_generation",
        "served_name": spec.model.name,
        "adapters": [adapter.uri for adapter in spec.model.lora.adapters] if spec.model.lora else [],
        "node_selector": spec.template.node_selector if spec.template else {},
        "multi_node": spec.worker is not None,
        "parallelism": parallelism.model_dump(exclude_none=True) if parallelism else {},
        "base_refs": [reference.name for reference in spec.base_refs],
        "router": sorted(spec.router or {}),
    }
    return {name: value for name, value in extra.items() if value}
