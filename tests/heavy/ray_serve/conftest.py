"""The models of the full portfolio that go to Ray Serve, on their legacy servers, beside a real Ray."""

import pytest

from runtimes.ray_serve import RayServe
from tests.heavy.broken import broken  # noqa: F401 -- a fixture
from tests.served_estate import (  # noqa: F401 -- fixtures
    asked,
    chosen_ports,
    golden,
    legacy,
    packaged_once,
    ray,
    rows,
    servers,
    state,
    wiring,
)
from turnout.fabric.state import State


@pytest.fixture(scope="package")
def served() -> tuple[str, ...]:
    """A container of sentence embeddings, and a graph of two models."""
    return ("sentences", "severity")


@pytest.fixture(scope="package")
def golden_requests() -> int:
    """Every class and more, in little time."""
    return 60


@pytest.fixture(scope="package")
def runtime(state: State, chosen_ports: dict[str, int], ray: None) -> RayServe:  # noqa: ARG001, F811
    """The runtime on a Ray of the lab's making."""
    dashboard = f"http://127.0.0.1:{chosen_ports['ray-dashboard']}"
    return RayServe(state, dashboard=dashboard, proxy=f"http://127.0.0.1:{chosen_ports['ray-serve']}")
