"""Settings, parsed once into types; a bad value names file, line and remedy.

One YAML file says where everything is. The lab writes one (`STATE/turnout.yaml`); a user of a cluster writes
theirs. `turnout.settings_file` says which one is in force.
"""

from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from turnout.domain.errors import InvalidInputError, NotFoundError
from turnout.settings_file import VARIABLE, find

__all__ = ["VARIABLE", "Cluster", "Gateway", "Head", "PackageVolumes", "Settings", "find", "load"]

Image = Literal["worker", "triton", "vllm", "ray_serve"]
Section = TypeVar("Section", bound=BaseModel)


class Gateway(BaseModel):
    """The Gateway that is the router, where traffic runs through a cluster (docs/kubernetes.md).

    Attributes:
        namespace: Namespace of the Gateway and of the models' routes.
        name: Name of the Gateway.
        listener: Its listener that routes attach to; every one without it.
        hostname: What clients call, with `{model}` in it.
        sentinel: `HOST:PORT` at which the proxies reach the sentinel; its host an IP address, or
            `SERVICE.NAMESPACE.svc`.
        shadow: `HOST:PORT` at which they reach the shadow service; without it nothing is captured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    namespace: str
    name: str
    listener: str | None = None
    hostname: str
    sentinel: str = Field(pattern=r"^[^:\s]+:[0-9]+$")
    shadow: str | None = Field(default=None, pattern=r"^[^:\s]+:[0-9]+$")


class PackageVolumes(BaseModel):
    """The volumes in which packages are brought to the pods that serve them.

    Attributes:
        storage_class: Class of the claims; the cluster's default one without it.
        access_mode: `ReadWriteOnce` lets pods of one node alone have a package.
        least_gib: Size of the smallest one; some clouds give none below a tebibyte.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    storage_class: str | None = None
    access_mode: Literal["ReadWriteMany", "ReadWriteOnce"] = "ReadWriteMany"
    least_gib: int = Field(default=1, ge=1)


class Head(BaseModel):
    """The pod of a Ray cluster's head: its requests, and its limits.

    The defaults are Ray's own advice for a head in production, which takes no model's work.

    Attributes:
        cpu: Cores.
        memory_gib: Memory in GiB.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu: float = Field(default=2, gt=0)
    memory_gib: float = Field(default=8, gt=0)


class Cluster(BaseModel):
    """What candidates are deployed with, where the estate is the cluster's own (docs/kubernetes.md).

    Attributes:
        images: Image of each runtime by its name, and Turnout's own `worker`, which fetches packages.
        packages: The volumes that packages lie in.
        head: How large Ray's heads are.
        head_pool: Pool of Ray's heads, which hold no model; without it they run on any node that is free.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: dict[Image, Annotated[str, Field(pattern=r"^\S+$")]] = Field(default_factory=dict)
    packages: PackageVolumes = PackageVolumes()
    head: Head = Head()
    head_pool: str | None = None


class Settings(BaseModel):
    """Where everything is.

    Attributes:
        state: Directory that all state goes under.
        manifests: Folder of the legacy estate's manifests.
        estate: Where the estate is read from: `manifests`, or the `cluster` itself.
        kubeconfig: Of that cluster; where `kubectl` looks, or the pod's service account, without it.
        context: Of the kubeconfig; its current one without it.
        namespaces: Of that cluster; all without any.
        contracts: Folder of the owners' contracts, `MODEL.yaml` each.
        expectations: Folder of the owners' suites, which are written there first; `expectations` beside the
            contracts without it.
        pools: File of the node pools.
        owners: File that says who owns what.
        weights: File of thresholds and points that order the estate; the defaults without one.
        prometheus: URL of the Prometheus that knows the estate's traffic; without it traffic is unknown.
        prometheus_token_file: File of its bearer token.
        prices: File of what nodes cost, for pools that are read from a live cluster.
        envoy_admin: URL of the router's admin interface.
        gateway: The router where it is a Gateway of that cluster; without it, the lab's Envoy.
        cluster: What candidates are deployed with on that cluster; in the file, also the name of one beside
            it that says so.
        sentinel: URL of the sentinel.
        shadow_port: TCP port of the shadow service's capture receiver (gRPC).
        prefect_api: URL of Prefect's API.
        prefect_ui: URL of Prefect's pages.
        mlflow: URL of the MLflow tracking server.
        ray_dashboard: URL of the Ray dashboard, which is also Serve's REST interface.
        ray_serve: URL of the Ray Serve proxy.
        data_docs: URL under which STATE/data_docs is served; without it the pages are files.
        legacy: For each model, the host and port of its legacy server, `host:port`; on a cluster only where
            KServe's own word is not enough (docs/kubernetes.md).
        guard_lease_seconds: How long the router trusts a sentinel that has judged nothing new.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Path
    manifests: Path
    estate: Literal["manifests", "cluster"] = "manifests"
    kubeconfig: Path | None = None
    context: str | None = None
    prometheus: str = ""
    prometheus_token_file: Path | None = None
    namespaces: tuple[str, ...] = ()
    contracts: Path
    expectations: Path | None = None
    pools: Path
    owners: Path
    weights: Path | None = None
    prices: Path | None = None
    envoy_admin: str = ""
    gateway: Gateway | None = None
    cluster: Cluster = Cluster()
    sentinel: str = ""
    shadow_port: int = 0
    prefect_api: str = ""
    prefect_ui: str = ""
    mlflow: str = ""
    ray_dashboard: str = ""
    ray_serve: str = ""
    data_docs: str = ""
    legacy: dict[str, str] = Field(default_factory=dict)
    guard_lease_seconds: float = Field(default=4.0, gt=0)

    @property
    def suites(self) -> Path:
        """Folder of the suites of expectations."""
        return self.expectations or self.contracts / "expectations"

    def write(self, file: Path) -> None:
        """Write the settings as YAML, whole or not at all."""
        staged = file.with_suffix(".tmp")
        staged.write_text(yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False))
        staged.replace(file)


def load(file: Path | None = None) -> Settings:
    """Read the settings.

    Raises:
        NotFoundError: There is no such file.
        InvalidInputError: A value is wrong; the message names file and line.
    """
    return _read(file or find(), Settings)


def _read(file: Path, kind: type[Section]) -> Section:
    text = _text(file)
    try:
        return kind.model_validate(_whole(file, yaml.safe_load(text)))
    except (yaml.YAMLError, ValidationError) as error:
        raise InvalidInputError(
            str(file),
            observed=_first(error, text),
            limit="valid settings (docs/operations.md)",
            remedy="Correct that line.",
        ) from error


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as error:
        raise NotFoundError(
            str(file),
            observed=error.strerror or str(error),
            limit="a readable settings file",
            remedy=f"Check ${VARIABLE}.",
        ) from error


def _whole(file: Path, found: object) -> object:
    """What a file says, with the section that it leaves to a file beside it."""
    if isinstance(found, dict) and isinstance(named := found.get("cluster"), str):
        return found | {"cluster": _read(file.parent / named, Cluster)}
    return found


def _first(error: yaml.YAMLError | ValidationError, text: str) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        line = next((n for n, row in enumerate(text.splitlines(), 1) if row.startswith(f"{key}:")), 1)
        return f"line {line}: {key}: {first['msg']}"
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1 if mark else '?'}: not YAML"
