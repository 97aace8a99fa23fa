"""A Knative Service of one's own: a container that may hold a model. What it does cannot be read."""

from typing import Any

from pydantic import Field

from turnout.domain.dependencies import dependencies
from turnout.domain.document import Document
from turnout.domain.kubernetes_schema import Part, PodSpec, ServiceMetadata, unread
from turnout.domain.markings import identity
from turnout.domain.workload import Component, Workload

_AUTOSCALING = "autoscaling.knative.dev/"


class _PodTemplate(PodSpec):
    container_concurrency: int | None = None
    timeout_seconds: int | None = None


class _TemplateMetadata(Part):
    annotations: dict[str, str] = Field(default_factory=dict)


class _Template(Part):
    metadata: _TemplateMetadata = _TemplateMetadata()
    spec: _PodTemplate = _PodTemplate()


class _Target(Part):
    percent: int | None = None
    revision_name: str | None = None
    latest_revision: bool | None = None
    tag: str | None = None


class _Spec(Part):
    template: _Template = _Template()
    traffic: tuple[_Target, ...] = ()


class _Service(Part):
    metadata: ServiceMetadata
    spec: _Spec


def knative_service(document: Document) -> Workload:
    """Read a Knative Service.

    Raises:
        InvalidInputError: What is wrong first, with file and line.
    """
    document = document.without_nulls()
    found = document.read_as(_Service, limit="a Service of serving.knative.dev/v1")
    container = found.spec.template.spec.serving("user-container")
    return Workload(
        **identity(document, found.metadata),
        kind="Service",
        framework="custom",
        storage_uri=container.variable("STORAGE_URI"),
        deployment_mode="Knative",
        components=(_component(found.spec.template),),
        canary_in_progress=len([target for target in found.spec.traffic if target.percent]) > 1,
        dependencies=dependencies(document.value["spec"]),
        extra=_extra(found.spec.template),
        unread=tuple(unread(found)),
    )


def _component(template: _Template) -> Component:
    container = template.spec.serving("user-container")
    scale = template.metadata.annotations
    return Component(
        role="predictor",
        framework="custom",
        **container.facts(),
        min_replicas=_number(scale, "min-scale", "minScale"),
        max_replicas=_number(scale, "max-scale", "maxScale") or None,
        scale_metric=scale.get(f"{_AUTOSCALING}metric"),
        scale_target=_number(scale, "target"),
        container_concurrency=template.spec.container_concurrency,
        timeout_seconds=template.spec.timeout_seconds,
    )


def _number(annotations: dict[str, str], *names: str) -> int | None:
    """A number out of Knative's annotations, by its name of today or of old; None where it is none."""
    longest = 9
    for name in names:
        value = annotations.get(f"{_AUTOSCALING}{name}", "")
        if value.isdecimal() and value.isascii() and len(value) <= longest:
            return int(value)
    return None


def _extra(template: _Template) -> dict[str, Any]:
    selector = template.spec.node_selector
    return {"node_selector": selector} if selector else {}
