"""A real Ray with Serve on it, under a supervisor; ended whatever happens."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes.ray_serve import RayServe
from turnout.fabric import ports
from turnout.fabric.processes import Processes
from turnout.fabric.state import State
from turnout.fabric.tether import tethered
from turnout.lab import ray_head
from turnout.lab.lab_ports import NAMES


@pytest.fixture(scope="package")
def state() -> Iterator[State]:
    """A state directory with a short name: Ray puts sockets below it."""
    with tempfile.TemporaryDirectory(prefix="turnout-") as directory:
        yield State(Path(directory))


@pytest.fixture(scope="package")
def runtime(state: State) -> Iterator[RayServe]:
    """The runtime on a Ray of the lab's making."""
    chosen: dict[str, int] = {}
    for name in (n for n in NAMES if n.startswith("ray-")):
        chosen[name] = ports.pick(set(chosen.values()))
    with tethered(state):
        servers = Processes(state)
        try:
            servers.ensure(ray_head.spec(state, chosen), ready_within_seconds=120)
            ray_head.start_serve(servers, chosen, within_seconds=150)
            dashboard = f"http://127.0.0.1:{chosen['ray-dashboard']}"
            yield RayServe(state, dashboard=dashboard, proxy=f"http://127.0.0.1:{chosen['ray-serve']}")
        finally:
            servers.stop(ray_head.NAME)
            ray_head.clear(state)
