"""A KServe TrainedModel: one of many models in the server of an InferenceService."""

from turnout.domain.dependencies import dependencies
from turnout.domain.document import Document
from turnout.domain.kubernetes_schema import Metadata, Part, Quantity, unread
from turnout.domain.markings import identity
from turnout.domain.workload import Component, Workload


class _Model(Part):
    storage_uri: str
    framework: str
    memory: Quantity | None = None


class _Spec(Part):
    inference_service: str
    model: _Model


class _TrainedModel(Part):
    metadata: Metadata
    spec: _Spec


def trained_model(document: Document) -> Workload:
    """Read a TrainedModel; what its clients speak is its server's affair, and unknown here.

    Raises:
        InvalidInputError: What is wrong first, with file and line.
    """
    document = document.without_nulls()
    found = document.read_as(_TrainedModel, limit="a TrainedModel of serving.kserve.io/v1alpha1")
    model, parent = found.spec.model, found.spec.inference_service
    resources = {"memory": model.memory} if model.memory else {}
    server = f"service/{found.metadata.namespace}/{parent}"
    return Workload(
        **identity(document, found.metadata),
        kind="TrainedModel",
        framework=model.framework,
        model_format=model.framework,
        storage_uri=model.storage_uri,
        components=(Component(role="predictor", framework=model.framework, resources=resources),),
        dependencies=tuple(sorted({server, *dependencies(document.value["spec"])})),
        extra={"inference_service": parent},
        unread=tuple(unread(found)),
    )
