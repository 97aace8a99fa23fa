"""A cluster with a real node and everything that runs on it, one for all tests of this folder."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from turnout.domain.errors import NotFoundError
from turnout.fabric.kubernetes.apply import Applier
from turnout.lab.cluster.addons.names import NEEDS
from turnout.lab.cluster.plane import ControlPlane
from turnout.lab.cluster.up import Shape, running

GONE_SECONDS = 120.0


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A cluster with every add-on that lives as long as the session, and no longer than its process."""
    root: Path = tmp_path_factory.mktemp("node")
    with running(
        root, Shape(bare=True, addons=tuple(NEEDS)), say=lambda line: print(line, flush=True)
    ) as plane:
        yield plane


@pytest.fixture(scope="session")
def writer(cluster: ControlPlane) -> Iterator[Applier]:
    """A connection that writes, as the administrator."""
    with Applier(cluster.kubeconfig) as connection:
        yield connection


@pytest.fixture
def space(writer: Applier, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own, gone with all that is in it when the next test begins."""
    name = f"test-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:8]}"
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    writer.apply([made])
    yield name
    writer.delete(made)
    until = time.monotonic() + GONE_SECONDS
    while _there(writer, f"/api/v1/namespaces/{name}"):
        assert time.monotonic() < until, f"namespace {name} never went"
        time.sleep(0.2)


def _there(writer: Applier, path: str) -> bool:
    try:
        writer.call("GET", path)
    except NotFoundError:
        return False
    return True
