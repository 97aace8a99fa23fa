"""A runtime on a cluster: packages as the lab's runtime makes them, served by manifests that are applied.

Built by `turnout.wiring` in place of the lab's runtime of the same name; called by `tasks.package` and
`tasks.deploy`. What it deploys is found again by a label, in the namespace that is kept below the state
directory, so that another process can take it down.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtimes import Endpoint, Made, Runtime, Source
from runtimes.bridges.lines import Line
from runtimes.kubernetes import manifests, pods, ray_serve, triton, vllm, volume
from runtimes.kubernetes.pods import Object
from runtimes.kubernetes.served import Served, object_name
from runtimes.kubernetes.volume import FILLED, Filling
from runtimes.ray_serve import bridging
from turnout.domain.assignment import Assignment
from turnout.domain.contract import Contract
from turnout.domain.errors import InvalidInputError, NotFoundError, TemporaryError
from turnout.domain.package import PackageManifest, PackageVersion
from turnout.domain.pools import Pool
from turnout.domain.targets import TargetRuntime
from turnout.fabric import whole
from turnout.fabric.kubernetes.apply import Applier
from turnout.fabric.kubernetes.waiting import Waiter
from turnout.fabric.registry import files
from turnout.fabric.state import State
from turnout.settings import Cluster

START_SECONDS = {
    TargetRuntime.TRITON: triton.START_SECONDS,
    TargetRuntime.VLLM: vllm.START_SECONDS,
    TargetRuntime.RAY_SERVE: vllm.START_SECONDS,
}
FILLED_WITHIN_SECONDS = 3600.0
"""Weights of hundreds of gigabytes are read and written once, and read again for their digests."""
GONE_WITHIN_SECONDS = pods.GRACE_SECONDS + 60.0
_POLL_SECONDS = 1.0

_KINDS = (
    ("apps/v1", "Deployment"), ("ray.io/v1", "RayService"), ("v1", "Service"),
    ("policy/v1", "PodDisruptionBudget"), ("batch/v1", "Job"), ("v1", "PersistentVolumeClaim"),
)  # fmt: skip
"""All that is ever deployed; claims last, for pods hold on to them."""


@dataclass(frozen=True)
class Placed:
    """Where an attempt goes, and with which package.

    Attributes:
        assignment: What the plan says of its model.
        pool: The pool of that name.
        version: Version of its package in the registry.
        head_pool: Where Ray's head runs; None: on any node that is not set aside.
    """

    assignment: Assignment
    pool: Pool
    version: str
    head_pool: Pool | None = None


@dataclass(frozen=True)
class Site:
    """What an installation gives to all that is deployed on its cluster.

    Attributes:
        state: The state directory.
        cluster: Images and volumes.
        mlflow: URL of the registry.
        applier: The connection.
        placed: Where an attempt's model goes, by attempt and model.
    """

    state: State
    cluster: Cluster
    mlflow: str
    applier: Applier
    placed: Callable[[str, str], Placed]

    def image(self, name: str) -> str:
        """The image of a runtime, or the worker's.

        Raises:
            InvalidInputError: The settings name none.
        """
        image = next((image for known, image in self.cluster.images.items() if known == name), None)
        if image is None:
            raise InvalidInputError(
                f"image of {name}", observed="not named in the settings", limit=f"cluster.images.{name}",
                remedy="Name it there, by digest where its registry gives one (docs/kubernetes.md).",
            )  # fmt: skip
        return image


class Deployed:
    """A runtime of a cluster.

    Args:
        lab: The lab's runtime of the same name, which makes the packages.
        site: What the installation gives.
        arrival_seconds: For nodes and images to come, beside the time that the runtime may take to start.
    """

    def __init__(self, lab: Runtime, site: Site, *, arrival_seconds: float = pods.ARRIVAL_SECONDS) -> None:
        """Keep where things are; nothing is called."""
        self.name, self.capabilities = lab.name, lab.capabilities
        self._lab, self._site, self._arrival_seconds = lab, site, arrival_seconds
        self._runtime = TargetRuntime(lab.name)
        self._waiter = Waiter(site.applier)

    def package(self, source: Source, directory: Path, say: Callable[[str], None]) -> Made:
        """Lay a model out and prove it as in the lab; errors are those of the lab's runtime."""
        return self._lab.package(source, directory, say)

    def deploy(self, attempt: str, contract: Contract, directory: Path | Endpoint) -> Endpoint:
        """Bring the package to the cluster and what serves it up, or a bridge alone in front of an endpoint.

        Harmless when it is so already.

        Returns:
            Where it is called: the address of its Service, which stays as long as the attempt's objects.

        Raises:
            UnsupportedError: No bridge speaks what its clients speak, its pods cannot reach its files, or the
                runtime cannot do this on the pool.
            InvalidInputError: An image is not named, an endpoint cannot be bridged, the package could not be
                fetched whole, or what was applied will never be ready; the message says why.
            RefusedError: The plan places no such model, or the API server permits it not.
            TemporaryError: It was not ready in time; the message says why.
        """
        where = self._site.placed(attempt, contract.model)
        if isinstance(directory, Endpoint):
            return self._up(self._in_front(attempt, contract, directory, where))
        manifest = files.read(directory)
        filling = self._filling(attempt, manifest, where)
        served = self._behind(contract, manifest, filling, where)
        filling.check()
        return self._up(served, filling)

    def undeploy(self, attempt: str) -> None:
        """Delete all that the attempt has on the cluster and wait until it is gone, its pods too.

        Harmless when there is nothing.

        Raises:
            TemporaryError: Something is still there.
        """
        kept = self._kept(attempt)
        if not kept.is_file():
            return
        space = kept.read_text()
        for each in self._found(attempt, space, _KINDS):
            self._site.applier.delete(each)
        until = time.monotonic() + GONE_WITHIN_SECONDS
        while left := self._found(attempt, space, (*_KINDS, ("v1", "Pod"))):
            if time.monotonic() > until:
                names = ", ".join(f"{each['kind']} {each['metadata']['name']}" for each in left)
                raise TemporaryError(
                    f"deployment of {attempt}", observed=f"still there: {names}",
                    limit=f"an end within {GONE_WITHIN_SECONDS:g} s",
                    remedy=f"Look at it in the namespace {space}; then start the run again.",
                )  # fmt: skip
            time.sleep(_POLL_SECONDS)
        kept.unlink(missing_ok=True)

    def _behind(
        self, contract: Contract, manifest: PackageManifest, filling: Filling, where: Placed
    ) -> Served:
        """What serves a package: Turnout's own applications read no HTTP, so that a bridge is beside them."""
        config, bridge = manifest.runtime_config, None
        if self._runtime is TargetRuntime.RAY_SERVE and "code" in config:
            line = bridging.handled(filling.attempt, contract)
            bridge = self._bridge(contract, line, num_replicas=where.assignment.replicas)
        elif next_one := config.get("bridge"):  # refused while nothing is applied yet
            bridging.speaks(contract)
            self._site.image(next_one)
        return Served(
            attempt=filling.attempt, assignment=where.assignment, pool=where.pool,
            image=self._site.image(self.name), package=filling.package, runtime_config=config, bridge=bridge,
            head=self._site.cluster.head, head_pool=where.head_pool,
        )  # fmt: skip

    def _in_front(self, attempt: str, contract: Contract, endpoint: Endpoint, where: Placed) -> Served:
        """A bridge alone; it calls each pod of the runtime that the plan names, not its Service's address."""
        each, space = pods.each_of(object_name(where.assignment.runtime, attempt)), where.assignment.namespace
        at = endpoint.model_copy(update={"host": f"dns:///{each}.{space}.svc"})
        line = bridging.bridged(attempt, contract, at)
        changed = {"runtime": self._runtime, "replicas": 1}
        return Served(
            attempt=attempt, assignment=where.assignment.model_copy(update=changed), pool=where.pool,
            image=self._site.image(self.name), bridge=self._bridge(contract, line),
            head=self._site.cluster.head, head_pool=where.head_pool,
        )  # fmt: skip

    def _bridge(self, contract: Contract, line: Line, **options: Any) -> Object:
        """The application that clients call, with one model in its table."""
        bridging.speaks(contract)
        return bridging.bridge(contract.wire, {contract.model: line}, **ray_serve.NO_CPUS, **options)

    def _up(self, served: Served, filling: Filling | None = None) -> Endpoint:
        """Apply what serves an attempt, once its package is there, and wait until it is ready."""
        objects = manifests(served)
        whole.write(self._kept(served.attempt), served.assignment.namespace)
        if filling:
            self._fill(filling)
        self._site.applier.apply(objects)
        seconds = START_SECONDS[self._runtime] + self._arrival_seconds
        self._waiter.until_ready(objects, within_seconds=seconds)
        return self._endpoint(served, objects)

    def _filling(self, attempt: str, manifest: PackageManifest, where: Placed) -> Filling:
        site = self._site
        digest = files.digest(manifest)
        return Filling(
            attempt=attempt, assignment=where.assignment, pool=where.pool, manifest=manifest,
            version=PackageVersion(model=manifest.model, version=where.version, digest=digest),
            volumes=site.cluster.packages, image=site.image("worker"), mlflow=site.mlflow,
            models=site.state.volume.absolute(),
        )  # fmt: skip

    def _fill(self, filling: Filling) -> None:
        """Let the Job bring the package into its volume, unless the volume says that it has it."""
        applier, job = self._site.applier, volume.job(filling)
        if self._is_filled(filling):
            return
        applier.apply([volume.claim(filling), job])
        try:
            self._waiter.until_ready([job], within_seconds=FILLED_WITHIN_SECONDS)
        finally:
            applier.delete(job)
        applier.apply([volume.claim(filling, filled=True)])

    def _is_filled(self, filling: Filling) -> bool:
        path = self._site.applier.path(volume.claim(filling))
        try:
            found = self._site.applier.call("GET", path, named=f"claim {filling.name}")
        except NotFoundError:
            return False
        return (found["metadata"].get("annotations") or {}).get(FILLED) == filling.version.digest

    def _endpoint(self, served: Served, objects: Iterable[Object]) -> Endpoint:
        """Where clients reach it; KubeRay makes the Service of a RayService by itself."""
        by_ray = any(each["kind"] == "RayService" for each in objects)
        name = f"{served.name}-serve-svc" if by_ray else served.name
        item = {
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": served.assignment.namespace},
        }  # fmt: skip
        found = self._site.applier.call("GET", self._site.applier.path(item), named=f"Service {name}")["spec"]
        ports = {each.get("name"): each["port"] for each in found["ports"]}
        port = ray_serve.PORTS["serve"] if by_ray else ports["http"]
        return Endpoint(host=found["clusterIP"], port=port, grpc_port=ports.get("grpc"))

    def _found(self, attempt: str, space: str, kinds: Iterable[tuple[str, str]]) -> list[Object]:
        """The attempt's objects of some kinds; of a kind that is not served there are none."""
        name = object_name(self._runtime, attempt)
        chosen = {"labelSelector": f"{pods.INSTANCE}={name}"}
        found: list[Object] = []
        for version, kind in kinds:
            try:
                root, _, plural = self._site.applier.collection(version, kind).rpartition("/")
            except NotFoundError:
                continue
            path = f"{root}/namespaces/{space}/{plural}"
            items = self._site.applier.call("GET", path, chosen, named=f"{kind}s of {attempt}")["items"]
            found += [{"apiVersion": version, "kind": kind, **each} for each in items]
        return found

    def _kept(self, attempt: str) -> Path:
        """The file that says in which namespace the attempt's objects are."""
        return self._site.state.deployed / object_name(self._runtime, attempt)
