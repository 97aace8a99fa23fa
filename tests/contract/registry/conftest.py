"""A real MLflow server on SQLite for the registry's contract tests."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from turnout.domain.package import PackageRegistry
from turnout.fabric.ports import pick
from turnout.fabric.registry.packages import MemoryPackages, MlflowPackages

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
    """URL of a server of its own; it ends with the tests, whatever happens."""
    directory = tmp_path_factory.mktemp("mlflow")
    port = pick()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{directory}/mlflow.db", "--workers", "1"]
    command += ["--artifacts-destination", f"{directory}/artifacts", "--allowed-hosts", "127.0.0.1:*"]
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(
            command, env=env, cwd=directory, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait(f"http://127.0.0.1:{port}/health", server, deadline=time.monotonic() + 90)
        yield f"http://127.0.0.1:{port}"
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(server.pid, number)
            with suppress(subprocess.TimeoutExpired):
                server.wait(10)


@pytest.fixture(scope="package")
def mlflow_client(mlflow_url: str) -> Any:
    """MLflow's own client, as whoever tampers would use it."""
    from mlflow import MlflowClient  # noqa: PLC0415 -- 4 s that the other tests need not wait for

    return MlflowClient(tracking_uri=mlflow_url)


def _wait(url: str, server: subprocess.Popen[bytes], *, deadline: float) -> None:
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(url).status_code == 200:
                return
        time.sleep(0.2)
    pytest.fail("the MLflow server did not come up")
