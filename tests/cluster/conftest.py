"""A real control plane, one for all tests of this level; each test has names of its own in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import namespaces
from turnout.fabric.kubernetes.apply import Applier
from turnout.lab.cluster.plane import ControlPlane
from turnout.lab.cluster.up import running

SESSION_SECONDS = 2400
"""The first test waits for the cluster, too, and that perhaps for compilers and for images."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test here the time that the first one needs."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(SESSION_SECONDS))


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that lives as long as the session, and no longer than its process."""
    root: Path = tmp_path_factory.mktemp("cluster")
    with running(root, say=lambda line: print(line, flush=True)) as plane:
        yield plane


@pytest.fixture(scope="session")
def applier(control_plane: ControlPlane) -> Iterator[Applier]:
    """A connection that writes, as the administrator."""
    with Applier(control_plane.kubeconfig) as connection:
        yield connection


@pytest.fixture
def namespace(applier: Applier, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own, in which only pods of the restricted standard are let in.

    It is gone with all that is in it when the next test begins: made-up nodes have their room again.
    """
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    with namespaces.namespace(applier, request.node.nodeid, labels) as name:
        yield name
