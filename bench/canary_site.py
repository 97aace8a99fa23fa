"""A cluster, its models, their clients and a Prometheus, all real, for the benchmarks of canaries on it.

Models are Envoys that answer by themselves; each logs every request that it answered, and what became of a
candidate is read there: its own times, whoever moved the traffic.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from live_rig import answered, wait

from tests.cluster.node.envoy_pods import answering, envoy_image
from tests.contract.telemetry import prometheus_package
from turnout.domain.errors import NotFoundError
from turnout.fabric.kubernetes.apply import Applier, Object
from turnout.lab.cluster.addons import gateway
from turnout.lab.cluster.addons.names import GATEWAY, ROLLOUTS
from turnout.lab.cluster.node import store
from turnout.lab.cluster.plane import ControlPlane
from turnout.lab.cluster.up import Shape, running

HERE = Path(__file__).resolve().parent
RATE = 50.0
"""Requests a second, open loop, Poisson."""

WITHIN_SECONDS = 120.0
_SCRAPE_SECONDS = 1
_PROMETHEUS_PORT = 9090
_REQUEST = "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-length: 2\r\n\r\n{{}}"


@dataclass(frozen=True)
class Site:
    """A cluster that is up.

    Attributes:
        plane: Its record.
        writer: A connection that writes.
        image: What its models run.
    """

    plane: ControlPlane
    writer: Applier
    image: str

    @property
    def address(self) -> str:
        """The node's address."""
        return str(self.plane.gateway).partition(":")[0]

    @property
    def prometheus(self) -> str:
        """Where the node's pods reach Prometheus."""
        return f"http://{self.address}:{_PROMETHEUS_PORT}"

    def pods(self, space: str, selector: str) -> list[Object]:
        """The pods of a namespace that have labels."""
        query = {"labelSelector": selector}
        found: list[Object] = self.writer.call("GET", f"/api/v1/namespaces/{space}/pods", query)["items"]
        return found


@dataclass(frozen=True)
class Seen:
    """What a candidate answered.

    Attributes:
        requests: The moment and the status of each answer, in order.
    """

    requests: list[tuple[float, int]]

    @property
    def bad(self) -> list[float]:
        """The moments of its bad answers."""
        return [at for at, status in self.requests if status >= 500]


@contextlib.contextmanager
def cluster(*addons: str) -> Iterator[Site]:
    """A cluster with a Gateway and add-ons; all of it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="turnout-bench-") as folder:
        shape = Shape(addons=(GATEWAY, *addons))
        with running(Path(folder), shape, say=say) as plane, Applier(plane.kubeconfig) as writer:
            yield Site(plane, writer, envoy_image(writer))


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """A cluster with a Gateway, Argo Rollouts and a Prometheus; all of it ends with the block."""
    with cluster(ROLLOUTS) as one, _prometheus(one):
        yield one


@contextlib.contextmanager
def namespace(one: Site, name: str) -> Iterator[str]:
    """A namespace, gone with all that is in it when the block ends."""
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    account, path = f"/api/v1/namespaces/{name}/serviceaccounts/default", f"/api/v1/namespaces/{name}"
    one.writer.apply([made])
    wait(lambda: _there(one, account), WITHIN_SECONDS, f"namespace {name}")
    try:
        yield name
    finally:
        one.writer.delete(made)
        wait(lambda: not _there(one, path), WITHIN_SECONDS, f"the end of namespace {name}")


@contextlib.contextmanager
def clients(
    one: Site, host: str, *, port: int | None = None, rate: float = RATE, bodies: bool = False
) -> Iterator[dict[str, Any]]:
    """Clients outside the cluster, in a process of their own.

    Args:
        one: The cluster.
        host: The name that they call.
        port: Of the node's address; without it the Gateway's.
        rate: Requests a second.
        bodies: Whether they keep when which body was answered.

    Yields:
        Empty; what they saw, when the block has ended.
    """
    told: dict[str, Any] = {}
    called = str(port or gateway.PORT)
    with tempfile.NamedTemporaryFile("w") as request:
        request.write(_REQUEST.format(host=host))
        request.flush()
        command = [sys.executable, HERE / "open_loop.py", str(rate), called, "--host", one.address]
        command += ["--bodies"] if bodies else []
        with subprocess.Popen(
            [*command, "--request", request.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                yield told
            finally:
                _ready, answer = process.communicate(timeout=60)[0].splitlines()
                told |= json.loads(answer)


def seen(one: Site, space: str, selector: str) -> Seen:
    """What the pods with labels have answered until now."""
    requests = []
    for pod in one.pods(space, selector):
        meta = pod["metadata"]
        for file in (one.plane.root / "pod-logs").glob(f"{space}_{meta['name']}_{meta['uid']}/*/*.log"):
            lines = (line.partition("{") for line in file.read_text().splitlines() if " stdout F {" in line)
            answers = (json.loads(f"{{{text}") for _, _, text in lines)
            requests += [(float(each["at"]), int(each["status"])) for each in answers]
    return Seen(sorted(requests))


def model(one: Site, space: str, name: str, *, failing: int = 0) -> list[Object]:
    """A Deployment of a model, which fails a share of requests in percent, and its Service."""
    found: list[Object] = answering(one.image, space, name, name, failing=failing)
    return found


@contextlib.contextmanager
def _prometheus(one: Site) -> Iterator[None]:
    """A Prometheus on the node that asks the Gateway's proxy for its counts each second."""
    process = store.of(one.plane.root).process
    owner = "gateway.envoyproxy.io/owning-gateway-name=turnout"
    (proxy,) = one.pods("envoy-gateway-system", owner)
    target = {"targets": [f"{proxy['status']['podIP']}:19001"]}
    job = {"job_name": "proxies", "metrics_path": "/stats/prometheus", "static_configs": [target]}
    config = {"global": {"scrape_interval": f"{_SCRAPE_SECONDS}s"}, "scrape_configs": [job]}
    home = one.plane.root / "prometheus"
    home.mkdir()
    (home / "prometheus.yml").write_text(json.dumps(config))
    with (
        (home / "log").open("wb") as log,
        subprocess.Popen(
            [
                *("nsenter", f"--net=/proc/{process}/ns/net", "--"),
                prometheus_package.binaries() / "prometheus",
                f"--config.file={home / 'prometheus.yml'}",
                f"--storage.tsdb.path={home / 'data'}",
                f"--web.listen-address={one.address}:{_PROMETHEUS_PORT}",
            ],
            stdout=log,
            stderr=log,
        ) as server,
    ):
        try:
            wait(lambda: answered(f"{one.prometheus}/-/ready"), WITHIN_SECONDS, "Prometheus")
            yield
        finally:
            server.terminate()


def _there(one: Site, path: str) -> bool:
    try:
        one.writer.call("GET", path)
    except NotFoundError:
        return False
    return True


def say(line: str) -> None:
    """Tell how far it is."""
    print(line, file=sys.stderr, flush=True)
