"""KServe's ServingRuntimes and ClusterServingRuntimes, and which of them serves a model.

The choice follows KServe's `GetSupportingRuntimes` (pkg/apis/serving/v1beta1/predictor_model.go): the
namespace's own runtimes come before the cluster's; within each the ones of the older protocol first, then the
younger, then by name, and all of that below a higher priority for the format.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from turnout.domain.document import Document
from turnout.domain.inference_service import OPENAI
from turnout.domain.kubernetes_schema import Metadata, Part, PodSpec, unread
from turnout.domain.workload import Component, Workload

_PROTOCOLS = ("v1", "v2", "grpc-v1", "grpc-v2")
"""In KServe's order (pkg/constants, GetProtocolVersionInt); others, and none, rank behind them."""
_SERVER_TYPE = "serving.kserve.io/server-type"
_V2_SERVERS = frozenset({"mlserver", "tritonserver"})
"""Servers that KServe gives v2 where no protocol is declared."""


class SupportedFormat(Part):
    """One of `supportedModelFormats`."""

    name: str
    version: str | None = None
    auto_select: bool = False
    priority: int | None = None


class _Spec(PodSpec):
    supported_model_formats: tuple[SupportedFormat, ...] = ()
    protocol_versions: tuple[str, ...] = ()
    multi_model: bool = False
    disabled: bool = False
    worker_spec: dict[str, Any] | None = None


class _Metadata(Metadata):
    creation_timestamp: str = ""


class _Object(Part):
    metadata: _Metadata
    spec: _Spec


class ServingRuntime(BaseModel):
    """One runtime as found.

    Attributes:
        name: Name of the object.
        namespace: Its namespace; None: the whole cluster's.
        formats: What it serves, with versions and priorities.
        protocols: Protocols that it says it speaks; none: it does not say.
        is_multi_model: It is ModelMesh's, for many models in one server.
        is_multi_node: It spans several nodes.
        is_disabled: KServe leaves it out.
        server_type: What KServe's annotation calls its server.
        image: Image of the container that serves.
        resources: What a replica needs where the InferenceService declares nothing else.
        created: When it was made, as Kubernetes writes times.
        source: Where it was read.
        unread: Fields that Turnout does not understand.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    namespace: str | None = None
    formats: tuple[SupportedFormat, ...] = ()
    protocols: tuple[str, ...] = ()
    is_multi_model: bool = False
    is_multi_node: bool = False
    is_disabled: bool = False
    server_type: str | None = None
    image: str | None = None
    resources: dict[str, str] = Field(default_factory=dict)
    created: str = ""
    source: str = ""
    unread: tuple[str, ...] = ()


def serving_runtime(document: Document) -> ServingRuntime:
    """Read a ServingRuntime or a ClusterServingRuntime.

    Raises:
        InvalidInputError: What is wrong first, with file and line.
    """
    document = document.without_nulls()
    found = document.read_as(_Object, limit="a ServingRuntime of serving.kserve.io/v1alpha1")
    container = found.spec.serving()
    return ServingRuntime(
        name=found.metadata.name,
        namespace=None if document.value.get("kind") == "ClusterServingRuntime" else found.metadata.namespace,
        formats=found.spec.supported_model_formats,
        protocols=found.spec.protocol_versions,
        is_multi_model=found.spec.multi_model,
        is_multi_node=found.spec.worker_spec is not None,
        is_disabled=found.spec.disabled,
        server_type=found.metadata.annotations.get(_SERVER_TYPE),
        image=container.image,
        resources=container.resources.needed(),
        created=found.metadata.creation_timestamp,
        source=document.where(),
        unread=tuple(unread(found)),
    )


class Runtimes:
    """All runtimes of an estate, ready to be asked.

    Args:
        found: The runtimes; none: nothing is known of what the cluster has.
    """

    def __init__(self, found: Iterable[ServingRuntime]) -> None:
        """Put them in KServe's order once, for all workloads."""
        ordered = sorted(found, key=lambda one: one.name)
        ordered.sort(key=lambda one: one.created, reverse=True)
        ordered.sort(key=lambda one: min(map(_protocol_rank, one.protocols), default=len(_PROTOCOLS)))
        self._ordered = ordered
        self._named = {(one.namespace, one.name): one for one in ordered}
        self._candidates: dict[tuple[Any, ...], tuple[ServingRuntime, ...]] = {}

    def resolved(self, workload: Workload) -> Workload:
        """The workload with the runtime that serves it, and what follows from that runtime.

        `extra["runtime_from"]` says how it was found: `status`, `spec` or `resolved`; where none serves the
        model, `extra["runtime_missing"]` says why. With no runtimes at all nothing is concluded.
        """
        asked = workload.extra.get("runtime_asked")
        extra = {name: value for name, value in workload.extra.items() if name != "runtime_asked"}
        if asked is None:
            return workload
        runtime = self._by_name(workload) if workload.runtime else self._chosen(workload.namespace, asked)
        if runtime is None and self._ordered and asked["from"] != "status":
            extra["runtime_missing"] = _missing(asked, workload.runtime)
        elif origin := asked["from"] or ("resolved" if runtime else None):
            extra["runtime_from"] = origin
        return _served_by(workload, runtime, extra, asked)

    def _by_name(self, workload: Workload) -> ServingRuntime | None:
        name = workload.runtime or ""
        return self._named.get((workload.namespace, name)) or self._named.get((None, name))

    def _chosen(self, namespace: str, asked: dict[str, Any]) -> ServingRuntime | None:
        key = (asked["format"], asked["version"], asked["protocol"], asked["multi_node"])
        if key not in self._candidates:
            fitting = [one for one in self._ordered if _fits(one, *key)]
            fitting.sort(key=lambda one: _rank(one, asked["format"]))
            self._candidates[key] = tuple(fitting)
        candidates = self._candidates[key]
        own = (one for one in candidates if one.namespace == namespace)
        clusters = (one for one in candidates if one.namespace is None)
        return next(own, None) or next(clusters, None)


def _fits(
    runtime: ServingRuntime, name: str, version: str | None, protocol: str, is_multi_node: bool
) -> bool:
    if runtime.is_disabled or runtime.is_multi_model or runtime.is_multi_node is not is_multi_node:
        return False
    if runtime.protocols and protocol not in runtime.protocols:
        return False
    chosen = [one for one in runtime.formats if one.auto_select and one.name == name]
    return any(version is None or one.version == version for one in chosen)


def _rank(runtime: ServingRuntime, name: str) -> tuple[bool, int]:
    """Higher priorities first, those without any last; KServe looks at the format's first entry alone."""
    priority = next((one.priority for one in runtime.formats if one.name == name), None)
    return priority is None, -(priority or 0)


def _protocol_rank(protocol: str) -> int:
    return _PROTOCOLS.index(protocol) if protocol in _PROTOCOLS else len(_PROTOCOLS)


def _missing(asked: dict[str, Any], name: str | None) -> str:
    if name:
        return f"no runtime is called {name}"
    version = f" version {asked['version']}" if asked["version"] else ""
    nodes = " on several nodes" if asked["multi_node"] else ""
    return f"no runtime is chosen by itself for {asked['format']}{version} with {asked['protocol']}{nodes}"


def _served_by(
    workload: Workload, runtime: ServingRuntime | None, extra: dict[str, Any], asked: dict[str, Any]
) -> Workload:
    """What KServe merges: the runtime's container below the predictor's own."""
    if runtime is None:
        return workload.model_copy(update={"extra": extra})
    wire = workload.wire
    if wire != OPENAI and not asked["is_declared"] and runtime.server_type in _V2_SERVERS:
        wire = "v2"
    components = tuple(
        _merged(one, runtime) if one.role == "predictor" else one for one in workload.components
    )
    return workload.model_copy(
        update={"runtime": runtime.name, "wire": wire, "components": components, "extra": extra}
    )


def _merged(component: Component, runtime: ServingRuntime) -> Component:
    return component.model_copy(
        update={
            "image": component.image or runtime.image,
            "resources": {**runtime.resources, **component.resources},
        }
    )
