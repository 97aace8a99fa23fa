"""Which kinds of objects make up an estate, and what reads each.

Called by the readers of folders and clusters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from turnout.domain.document import Document, say
from turnout.domain.errors import InvalidInputError
from turnout.domain.inference_graph import experiment, inference_graph, pipeline
from turnout.domain.inference_service import workload
from turnout.domain.inventory import Entry, Finding, NotRead, Problem
from turnout.domain.knative_service import knative_service
from turnout.domain.llm_inference_service import llm_inference_service
from turnout.domain.schedule import schedule
from turnout.domain.seldon import seldon_deployment, seldon_model
from turnout.domain.serving_runtime import serving_runtime
from turnout.domain.trained_model import trained_model


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object that discovery reads.

    Attributes:
        group: Its API group.
        kind: As manifests name it.
        plural: As the API server's paths name it.
        versions: Versions that are read, the one to prefer first.
        read: Makes an entry of the inventory from it.
    """

    group: str
    kind: str
    plural: str
    versions: tuple[str, ...]
    read: Callable[[Document], Entry]


_KSERVE = "serving.kserve.io"
KINDS = (
    Kind(_KSERVE, "ClusterServingRuntime", "clusterservingruntimes", ("v1alpha1",), serving_runtime),
    Kind(_KSERVE, "ServingRuntime", "servingruntimes", ("v1alpha1",), serving_runtime),
    Kind(_KSERVE, "InferenceService", "inferenceservices", ("v1beta1", "v1alpha2"), workload),
    Kind("serving.kubeflow.org", "InferenceService", "inferenceservices", ("v1beta1", "v1alpha2"), workload),
    Kind(_KSERVE, "InferenceGraph", "inferencegraphs", ("v1alpha1",), inference_graph),
    Kind(_KSERVE, "TrainedModel", "trainedmodels", ("v1alpha1",), trained_model),
    Kind(
        _KSERVE, "LLMInferenceService", "llminferenceservices", ("v1alpha2", "v1alpha1"),
        llm_inference_service,
    ),
    Kind("serving.knative.dev", "Service", "services", ("v1", "v1beta1"), knative_service),
    Kind("kubeflow.org", "ScheduledWorkflow", "scheduledworkflows", ("v1beta1", "v2beta1"), schedule),
    Kind(
        "machinelearning.seldon.io", "SeldonDeployment", "seldondeployments", ("v1", "v1alpha3", "v1alpha2"),
        seldon_deployment,
    ),
    Kind("mlops.seldon.io", "Model", "models", ("v1alpha1",), seldon_model),
    Kind("mlops.seldon.io", "Pipeline", "pipelines", ("v1alpha1",), pipeline),
    Kind("mlops.seldon.io", "Experiment", "experiments", ("v1alpha1",), experiment),
)  # fmt: skip
"""Every kind that discovery reads; of an estate's own, runtimes stand first."""

_BY_NAME = {(kind.group, kind.kind): kind for kind in KINDS}
_OWNING_GROUPS = frozenset({kind.group for kind in KINDS})


def finding(document: Document) -> Finding | None:
    """What one object is to the inventory; None: a part of another object that is there itself.

    Never raises for what somebody wrote: that is a `Problem`.
    """
    try:
        kind = _kind(document)
        known = _known(kind, document.value.get("apiVersion"))
        if known is None:
            return _other(kind, document)
        return None if _is_part(document.value.get("metadata")) else known.read(document)
    except InvalidInputError as error:
        return Problem.of(error)
    except RecursionError:
        deep = document.refuse(
            (), observed="nested too deeply", limit="a Kubernetes object", remedy="Correct that object."
        )
        return Problem.of(deep)


def _kind(document: Document) -> str:
    kind = document.value.get("kind") if isinstance(document.value, dict) else None
    if not isinstance(kind, str):
        raise document.refuse(
            ("kind",),
            observed=f"no Kubernetes object (kind {say(kind)})",
            limit="a manifest with apiVersion, kind, metadata and spec",
            remedy="Correct that document, or move it out of this folder.",
        )
    return kind


def _known(kind: str, api_version: Any) -> Kind | None:
    """The kind by its group; an InferenceService is one in any, so that a slip in the group is told."""
    group = api_version.split("/")[0] if isinstance(api_version, str) else ""
    fallback = _BY_NAME[_KSERVE, kind] if kind == "InferenceService" else None
    return _BY_NAME.get((group, kind), fallback)


def _is_part(metadata: Any) -> bool:
    """Whether a controller made the object from another one, such as KServe a Knative Service."""
    owners = metadata.get("ownerReferences") if isinstance(metadata, dict) else None
    for owner in owners if isinstance(owners, list) else ():
        version = owner.get("apiVersion") if isinstance(owner, dict) else None
        if isinstance(version, str) and version.split("/")[0] in _OWNING_GROUPS:
            # A TrainedModel belongs to its InferenceService, and is a model of its own all the same.
            return bool(owner.get("controller"))
    return False


def _other(kind: str, document: Document) -> NotRead:
    meta = document.value.get("metadata")
    name = meta.get("name") if isinstance(meta, dict) else None
    return NotRead(kind=kind, name=name if isinstance(name, str) else "", where=document.where())
