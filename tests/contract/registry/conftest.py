"""A real MLflow server on SQLite for the registry's contract tests."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from turnout.domain.package import PackageRegistry
from turnout.fabric.ports import pick
from turnout.fabric.processes import Processes
from turnout.fabric.registry.packages import MemoryPackages, MlflowPackages
from turnout.fabric.state import State
from turnout.fabric.tether import tethered
from turnout.lab.control_plane import mlflow
from turnout.lab.up import READY_WITHIN_SECONDS

_NUMBERS = itertools.count()


@pytest.fixture(params=["memory", "mlflow"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> PackageRegistry:
    """Each of the two package registries."""
    if request.param == "memory":
        return MemoryPackages(tmp_path / "registry", volume=tmp_path)
    return MlflowPackages(request.getfixturevalue("mlflow_url"), volume=tmp_path)


@pytest.fixture
def model() -> str:
    """A model that no other test packages."""
    return f"packaged-{next(_NUMBERS)}"


@pytest.fixture(scope="package")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a server of its own, started as the lab's is; it ends with the tests, whatever happens."""
    state, port = State(tmp_path_factory.mktemp("mlflow") / "lab"), pick()
    with tethered(state):
        server = mlflow(state, {"mlflow": port})
        Processes(state).ensure(server, ready_within_seconds=READY_WITHIN_SECONDS)
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="package")
def mlflow_client(mlflow_url: str) -> Any:
    """MLflow's own client, as whoever tampers would use it."""
    from mlflow import MlflowClient  # noqa: PLC0415 -- 4 s that the other tests need not wait for

    return MlflowClient(tracking_uri=mlflow_url)
