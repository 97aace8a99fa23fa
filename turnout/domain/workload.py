"""A legacy model as it was found. What could not be found out is None: unknown, never zero."""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from turnout.domain.observed import Observed


class Criticality(StrEnum):
    """How much hangs on the model, from its owner's label."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Component(BaseModel):
    """A part beside the predictor (transformer, explainer, worker), or the predictor itself.

    Attributes:
        role: predictor, transformer, explainer, worker, prefill.
        framework: As of the workload; `custom` for a container of one's own.
        image: Image of the container that serves.
        container: Name of the container that serves.
        command: Its command; none: the image's own.
        args: Its arguments.
        env: Names of its environment variables. Their values may be secrets, and are not kept.
        resources: What one replica needs at most, by resource name.
        requests: What one replica asks the scheduler for, where that is declared.
        min_replicas: Fewest replicas; 0 scales to zero.
        max_replicas: Most replicas.
        scale_metric: What the autoscaler watches: concurrency, rps, cpu, memory.
        scale_target: Value of that metric that it aims at.
        autoscaling: `autoScaling` as it was written (HPA or KEDA).
        container_concurrency: Requests that a replica takes at once.
        timeout_seconds: When a request is given up.
        batcher: Settings of KServe's batcher, times in milliseconds.
        logger: Where KServe's logger copies requests and answers to.
        storage_uris: What is fetched for it beside its model.
        extra: What only some components have, by name: `sidecars`, `node_selector`, an explainer's settings.
    """

    model_config = ConfigDict(frozen=True)

    role: str
    framework: str | None
    image: str | None = None
    container: str | None = None
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    resources: dict[str, str] = Field(default_factory=dict)
    requests: dict[str, str] = Field(default_factory=dict)
    min_replicas: int | None = None
    max_replicas: int | None = None
    scale_metric: str | None = None
    scale_target: float | None = None
    autoscaling: dict[str, Any] | None = None
    container_concurrency: int | None = None
    timeout_seconds: float | None = None
    batcher: dict[str, Any] | None = None
    logger: dict[str, Any] | None = None
    storage_uris: tuple[str, ...] = ()
    extra: dict[str, Any] = Field(default_factory=dict)


class Workload(BaseModel):
    """One legacy model as found.

    Attributes:
        name: Name of the object.
        namespace: Its namespace.
        kind: Kubernetes kind it was found as.
        framework: sklearn, xgboost, lightgbm, onnx, pytorch, tensorflow, triton, huggingface, custom, ...
        model_format: Format and version as declared.
        wire: Protocol that clients speak: v1, v2, or None where unknown.
        storage_uri: Where the model file is.
        runtime: ServingRuntime that serves it: as KServe says, as asked for, or as KServe would choose.
        deployment_mode: Knative, Standard or ModelMesh, by today's names; None: as the cluster has it.
        components: Predictor, transformer, explainer; of a graph, its router.
        members: Of a graph, the models that it calls, each as found.
        owner: From the annotation or label, or the owners file.
        criticality: From the label.
        latency_class: "interactive" or "batch", from the label.
        observed: What its telemetry shows, each figure with its source.
        canary_in_progress: KServe's own canary stands between two versions.
        dependencies: Names of what it calls or shares.
        labels: Labels of the object.
        annotations: Annotations of the object.
        source: File and line, or cluster, where it was read.
        extra: What only some workloads have, by name.
        unread: Fields of the object that Turnout does not understand, as dotted ways.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    namespace: str = "default"
    kind: str = "InferenceService"
    framework: str
    model_format: str | None = None
    wire: str | None = None
    storage_uri: str | None = None
    runtime: str | None = None
    deployment_mode: str | None = None
    components: tuple[Component, ...] = ()
    members: tuple["Workload", ...] = ()
    owner: str | None = None
    criticality: Criticality | None = None
    latency_class: str | None = None
    observed: Observed = Observed()
    canary_in_progress: bool = False
    dependencies: tuple[str, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    source: str = ""
    extra: dict[str, Any] = Field(default_factory=dict)
    unread: tuple[str, ...] = ()
