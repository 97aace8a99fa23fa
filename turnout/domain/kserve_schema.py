"""The part of KServe's v1beta1 InferenceService that migrations turn on, as types.

Field names follow KServe's API; what is not named here is listed as unread.
`turnout.domain.inference_service` makes a workload of it.
"""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from turnout.domain.kubernetes_schema import Container, Part, PodSpec, ServiceMetadata

Protocol = Literal["v1", "v2", "grpc-v1", "grpc-v2"]


class Storage(Part):
    """`storage`: a key of the cluster's storage secret and a path."""

    key: str | None = None
    path: str | None = None
    parameters: dict[str, str] = Field(default_factory=dict)

    def uri(self) -> str | None:
        """The storage as one URI; `storage://KEY/PATH` where the secret alone knows the place."""
        if self.path is None:
            return None
        scheme, bucket = self.parameters.get("type"), self.parameters.get("bucket")
        if scheme and bucket:
            return f"{scheme}://{bucket}/{self.path}"
        return f"storage://{self.key or 'default'}/{self.path}"


class StorageUri(Part):
    """One of `storageUris`."""

    uri: str
    mount_path: str | None = None


class Implementation(Container):
    """A predictor by its framework's name: a container and where its model is."""

    storage_uri: str | None = None
    storage: Storage | None = None
    protocol_version: Protocol | None = None
    runtime_version: str | None = None

    def uri(self) -> str | None:
        """Where the model is."""
        return self.storage_uri or (self.storage.uri() if self.storage else None)


class ModelFormat(Part):
    """`modelFormat`."""

    name: str
    version: str | None = None


class Model(Implementation):
    """`predictor.model`, the form of today."""

    model_format: ModelFormat
    runtime: str | None = None


class Logger(Part):
    """`logger`: where requests and answers are copied to."""

    mode: str | None = None
    url: str | None = None
    storage: dict[str, Any] | None = None


class Batcher(Part):
    """`batcher`; latency and timeout in milliseconds."""

    max_batch_size: int | None = None
    max_latency: int | None = None
    timeout: int | None = None


class ComponentSpec(PodSpec):
    """What predictor, transformer and explainer have in common."""

    storage_uris: tuple[StorageUri, ...] = ()
    min_replicas: int | None = Field(default=None, ge=0)
    max_replicas: int | None = Field(default=None, ge=0)
    scale_target: int | None = None
    scale_metric: str | None = None
    auto_scaling: dict[str, Any] | None = None
    container_concurrency: int | None = Field(default=None, ge=0)
    timeout: int | None = Field(default=None, ge=0)
    canary_traffic_percent: int | None = Field(default=None, ge=0, le=100)
    logger: Logger | None = None
    batcher: Batcher | None = None

    @model_validator(mode="after")
    def _replicas_fit(self) -> Self:
        """KServe takes a maximum of 0 for no maximum."""
        if self.max_replicas and (self.min_replicas or 0) > self.max_replicas:
            raise ValueError(f"minReplicas {self.min_replicas} is above maxReplicas {self.max_replicas}")
        return self


class WorkerSpec(PodSpec):
    """`workerSpec`: the nodes beside the head of a multi-node predictor."""

    pipeline_parallel_size: int | None = None
    tensor_parallel_size: int | None = None


class Predictor(ComponentSpec):
    """`spec.predictor` in every form."""

    name: str | None = None
    model: Model | None = None
    sklearn: Implementation | None = None
    xgboost: Implementation | None = None
    lightgbm: Implementation | None = None
    pmml: Implementation | None = None
    paddle: Implementation | None = None
    onnx: Implementation | None = None
    tensorflow: Implementation | None = None
    pytorch: Implementation | None = None
    triton: Implementation | None = None
    huggingface: Implementation | None = None
    mlflow: Implementation | None = None
    worker_spec: WorkerSpec | None = None


class Explanation(Container):
    """An explainer by the name of its library."""

    type: str | None = None
    storage_uri: str | None = None
    config: dict[str, str] = Field(default_factory=dict)


class Explainer(ComponentSpec):
    """`spec.explainer`: a container of its own, or one of KServe's libraries, of old and of today."""

    art: Explanation | None = None
    alibi: Explanation | None = None
    aix: Explanation | None = None
    aif: Explanation | None = None

    def library(self) -> tuple[str, Explanation] | None:
        """Name and settings of the library, where one is named."""
        known = {"art": self.art, "alibi": self.alibi, "aix": self.aix, "aif": self.aif}
        return next(((name, found) for name, found in known.items() if found), None)


class CanarySpec(Part):
    """One of `spec.canary`."""

    predictor: Predictor
    traffic_percent: int | None = None


class Spec(Part):
    """`spec`."""

    predictor: Predictor
    transformer: ComponentSpec | None = None
    explainer: Explainer | None = None
    canary: tuple[CanarySpec, ...] = ()


class Target(Part):
    """One entry of `status.components.predictor.traffic`."""

    revision_name: str | None = None
    percent: int | None = None


class ComponentStatus(Part):
    """One of `status.components`."""

    traffic: tuple[Target, ...] = ()


class Status(Part):
    """`status`, as far as KServe has written it."""

    deployment_mode: str | None = None
    serving_runtime_name: str | None = None
    cluster_serving_runtime_name: str | None = None
    components: dict[str, ComponentStatus] = Field(default_factory=dict)


class InferenceService(Part):
    """The whole object."""

    metadata: ServiceMetadata
    spec: Spec
    status: Status = Status()
