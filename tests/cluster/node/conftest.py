"""A cluster with a real node and everything that runs on it, one for all tests of this folder."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import namespaces, shipped
from tests.cluster.node import installing
from turnout.fabric import environments
from turnout.fabric.kubernetes.apply import Applier
from turnout.lab.cluster.addons.names import NEEDS
from turnout.lab.cluster.node import overlay, store
from turnout.lab.cluster.plane import ControlPlane
from turnout.lab.cluster.up import Shape, running


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A cluster with every add-on that lives as long as the session, and no longer than its process."""
    root: Path = tmp_path_factory.mktemp("node")
    with running(root, Shape(addons=tuple(NEEDS)), say=lambda line: print(line, flush=True)) as plane:
        yield plane
    shutil.rmtree(
        root / "containerd", ignore_errors=True
    )  # gigabytes; pytest keeps the folders of three runs


@pytest.fixture(scope="session")
def writer(cluster: ControlPlane) -> Iterator[Applier]:
    """A connection that writes, as the administrator."""
    with Applier(cluster.kubeconfig) as connection:
        yield connection


@pytest.fixture
def space(writer: Applier, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own, gone with all that is in it when the next test begins."""
    with namespaces.namespace(writer, request.node.nodeid, {}) as name:
        yield name


@pytest.fixture(scope="session")
def image(cluster: ControlPlane) -> str:
    """The image of the KServe SDK's server, on the node."""
    return store.of(cluster.root).build("kserve-sklearn", print)


@pytest.fixture(scope="session")
def models(cluster: ControlPlane) -> Path:
    """A folder on the node with the model `iris`, trained by the environment that serves it."""
    folder = cluster.root / "models"
    (folder / "iris").mkdir(parents=True)
    python = environments.ensure("kserve") / "bin" / "python"
    train = environments.project_root() / "turnout/lab/legacy/train.py"
    subprocess.run([python, train, "iris", folder / "iris", folder / "iris.json"], check=True)
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def directory(
    cluster: ControlPlane, writer: Applier, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The overlay of this node, and in the namespace what a user gives."""
    began = time.monotonic()
    written = overlay.write(cluster.root, print)
    print(f"turnout lab cluster overlay: {time.monotonic() - began:.0f} s")
    contracts = tmp_path_factory.mktemp("contracts")
    (contracts / "iris.yaml").write_text(installing.CONTRACT)
    writer.apply([shipped.NAMESPACE])
    installing.give(cluster, contracts)
    yield written
    shipped.remove(writer)


@pytest.fixture
def installed(cluster: ControlPlane, directory: Path) -> Path:
    """The overlay, installed: all of it runs. Harmless where it does."""
    wait = f"{installing.WITHIN_SECONDS:g}"
    done = installing.command(cluster, "install", str(directory), "--wait", wait)
    assert done.returncode == 0, done.stderr
    return directory
