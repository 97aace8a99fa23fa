"""Replicas that follow the load: a Python model on a real Ray Serve, its clients few, many, and few again.

    python bench/ray_scaling.py [-o bench/results/ray_scaling.md]

The model waits 50 ms a request, as one that asks another system would, so that replicas and not cores are
what is short. Its KServe object declares one to three replicas, a target of two requests under way for each,
and Knative's shortest window of 6 s. Closed loop: this counts failures and replicas; latencies are only read
beside each other.
"""

import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

import click

from runtimes import Endpoint, Source, wire
from runtimes.ray_serve import RayServe
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Tensor, Wire
from turnout.domain.errors import UnreachableError
from turnout.domain.route import RoutePolicy
from turnout.domain.workload import Component, Workload
from turnout.fabric import ports
from turnout.fabric.processes import Processes
from turnout.fabric.state import State
from turnout.fabric.tether import tethered
from turnout.lab import ray_head
from turnout.lab.lab_ports import NAMES

ATTEMPT = "scaling-1"
PHASES = (("at rest", 1, 10.0), ("crowd", 12, 40.0), ("at rest again", 1, 40.0))
"""Name, clients that send without a pause, seconds."""
CODE = """
import time


class Predictor:
    def __init__(self, directory):
        pass

    def predict(self, instances):
        time.sleep(0.05)
        return [sum(row) for row in instances]
"""
CONTRACT = Contract(
    model="scaling",
    wire=Wire.V1,
    inputs=(Tensor(name="instances", datatype="FP64", shape=(-1, 2)),),
    outputs=(Tensor(name="predictions", datatype="FP64", shape=(-1,)),),
    same_answer=SameAnswer(kind=AnswerKind.REGRESSION),
    policy=RoutePolicy(try_seconds=20.0, request_seconds=30.0),
)
WORKLOAD = Workload(
    name="scaling",
    framework="custom",
    annotations={"autoscaling.knative.dev/window": "6s"},
    components=(
        Component(
            role="predictor", framework="custom", requests={"cpu": "100m"}, min_replicas=1, max_replicas=3,
            scale_target=2, container_concurrency=8,
        ),
    ),
)  # fmt: skip


@dataclass
class Seen:
    """What the clients of one phase saw.

    Attributes:
        seconds: How long each answered request took.
        failures: Requests without a good answer, by what came instead.
        replicas: Running replicas and when, in seconds from the phase's begin, at each change.
    """

    seconds: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    replicas: list[tuple[float, int]] = field(default_factory=list)


@contextmanager
def deployed() -> Iterator[tuple[RayServe, Endpoint]]:
    """The model on a Ray of its own, which ends with the block."""
    with tempfile.TemporaryDirectory(prefix="turnout-") as folder:
        state, chosen = State(Path(folder)), dict[str, int]()
        for name in (name for name in NAMES if name.startswith("ray-")):
            chosen[name] = ports.pick(set(chosen.values()))
        with tethered(state):
            servers = Processes(state)
            try:
                servers.ensure(ray_head.spec(state, chosen), ready_within_seconds=180)
                ray_head.start_serve(servers, chosen, within_seconds=180)
                at = {name: f"http://127.0.0.1:{chosen[f'ray-{name}']}" for name in ("dashboard", "serve")}
                runtime = RayServe(state, dashboard=at["dashboard"], proxy=at["serve"])
                yield runtime, runtime.deploy(ATTEMPT, CONTRACT, _package(runtime, state.root))
            finally:
                servers.stop(ray_head.NAME)
                ray_head.clear(state)


def _package(runtime: RayServe, root: Path) -> Path:
    code, package = root / "code", root / "package"
    code.mkdir()
    package.mkdir()
    (code / "predictor.py").write_text(CODE)
    runtime.package(Source(CONTRACT, WORKLOAD, code, []), package, click.echo)
    return package


def phase(runtime: RayServe, at: Endpoint, clients: int, seconds: float) -> Seen:
    """Let clients send for a while, and look at the replicas meanwhile."""
    seen, over, began = Seen(), threading.Event(), time.monotonic()

    def client() -> None:
        while not over.is_set():
            _ask(at, seen)

    with ThreadPoolExecutor(clients) as pool:
        sending = [pool.submit(client) for _ in range(clients)]
        while (now := time.monotonic() - began) < seconds:
            running = _replicas(runtime)
            if not seen.replicas or seen.replicas[-1][1] != running:
                seen.replicas.append((now, running))
            time.sleep(0.5)
        over.set()
    for one in sending:
        one.result()
    return seen


def _ask(at: Endpoint, seen: Seen) -> None:
    try:
        reply = wire.predict(at, CONTRACT, json.dumps({"instances": [[1, 2]]}).encode(), timeout_seconds=30)
    except UnreachableError as error:
        seen.failures[error.observed] += 1
        return
    if reply.parsed() == {"predictions": [3]}:
        seen.seconds.append(reply.seconds)
    else:
        seen.failures[f"{reply.status} {reply.body[:60]!r}"] += 1


def _replicas(runtime: RayServe) -> int:
    found = runtime.applications()[ATTEMPT]["deployments"]["Ingress"]["replicas"]
    return sum(one["state"] == "RUNNING" for one in found)


def table(found: list[tuple[str, int, float, Seen]]) -> str:
    """The phases as Markdown."""
    lines = [
        "| phase | clients | replicas (at second) | requests | failed | requests/s | median | p95 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, clients, seconds, seen in found:
        cuts = quantiles(seen.seconds, n=20)
        replicas = ", ".join(f"{count} ({at:.0f})" for at, count in seen.replicas)
        asked = len(seen.seconds) + seen.failures.total()
        lines.append(
            f"| {name}, {seconds:g} s | {clients} | {replicas} | {asked} | {seen.failures.total()} "
            f"| {len(seen.seconds) / seconds:.0f} | {cuts[9] * 1e3:.0f} ms | {cuts[18] * 1e3:.0f} ms |"
        )
    return "\n".join(lines) + "\n"


@click.command()
@click.option("-o", "output", type=click.Path(path_type=Path), help="Where the table goes, as Markdown.")
def main(output: Path | None) -> None:
    """Measure, and print the table."""
    with deployed() as (runtime, at):
        found = [
            (name, clients, seconds, phase(runtime, at, clients, seconds))
            for name, clients, seconds in PHASES
        ]
    text = (
        f"# Ray Serve's replicas follow the load\n\n`python bench/ray_scaling.py` says how.\n\n{table(found)}"
    )
    click.echo(text)
    if output:
        output.write_text(text)


if __name__ == "__main__":
    main()
