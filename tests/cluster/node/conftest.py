"""A cluster with a real node and everything that runs on it, one for all tests of this folder."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster import namespaces, shipped
from tests.cluster.node import installing
from tests.cluster.node.installing import CONTRACTS, OWNERS, at_desk, prefect
from tests.cluster.node.kserve_models import begun, chat_service, huggingface, runtime, volume
from tests.cluster.node.migrating import Desk, Moving, legacy
from tests.cluster.node.places import Place, places
from turnout.domain.route import Backend
from turnout.fabric.gateway_api import place as gateways
from turnout.fabric.gateway_api.router import GatewayRouter
from turnout.fabric.kubernetes.apply import Applier
from turnout.fabric.state import State
from turnout.lab import language_model
from turnout.lab.cluster.addons.names import ESTATE
from turnout.lab.cluster.node import overlay, store
from turnout.lab.cluster.plane import ControlPlane
from turnout.lab.cluster.up import Shape, running
from turnout.lab.estate import MODELS
from turnout.lab.models import train

SMALL = {"cpu_request": "100m"}
"""Two cores have room for a run's Job of this size beside everything else."""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A cluster with all of `ESTATE` that lives as long as the session, and no longer than its process."""
    root: Path = tmp_path_factory.mktemp("node")
    with running(root, Shape(addons=ESTATE), say=lambda line: print(line, flush=True)) as plane:
        yield plane
    shutil.rmtree(
        root / "containerd", ignore_errors=True
    )  # gigabytes; pytest keeps the folders of three runs


@pytest.fixture(scope="session")
def writer(cluster: ControlPlane) -> Iterator[Applier]:
    """A connection that writes, as the administrator."""
    with Applier(cluster.kubeconfig) as connection:
        yield connection


@pytest.fixture(scope="session")
def kept(request: pytest.FixtureRequest) -> bool:
    """Whether namespaces stay until the cluster ends: in a session of one test nobody needs their room."""
    return len(request.session.items) == 1


@pytest.fixture
def space(writer: Applier, kept: bool, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own, gone with all that is in it when the next test begins."""
    with namespaces.namespace(writer, request.node.nodeid, {}, kept=kept) as name:
        yield name


@pytest.fixture
def place_of(
    cluster: ControlPlane,
    writer: Applier,
    images: dict[str, str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Callable[..., Place]]:
    """Gives models their places, with the images of the test's module.

    In a namespace of the test's own, in which only pods of the restricted standard are let in.
    """
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    with (
        namespaces.namespace(writer, request.node.nodeid, labels) as space,
        places(cluster, writer, space, images, tmp_path) as place,
    ):
        yield place


@pytest.fixture(scope="session")
def image(cluster: ControlPlane) -> str:
    """The image of the KServe SDK's server, on the node."""
    return store.of(cluster.root).build("kserve-sklearn", print)


@pytest.fixture(scope="session")
def models(cluster: ControlPlane) -> Path:
    """A folder on the node with scikit-learn's models, trained by the environment that serves them."""
    folder = trained(cluster, "iris")
    shutil.copytree(folder / "iris", folder / "flowers")
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def models_and_topics(cluster: ControlPlane, models: Path) -> Path:
    """The same folder, with a model of texts in it."""
    assert trained(cluster, "topics") == models
    return models


def trained(cluster: ControlPlane, name: str) -> Path:
    """Train one of the lab's models; returns the folder that has all of them."""
    state = State(cluster.root / "legacy")
    (model,) = (each for each in MODELS if each.name == name)
    train(model, state)
    return state.volume


@pytest.fixture(scope="session")
def server(cluster):
    """The image of the KServe SDK's server for language models, on the node."""
    return store.of(cluster.root).build("kserve-huggingface", print)


@pytest.fixture(scope="session")
def language_models(cluster):
    """A folder on the node with the lab's language model."""
    folder = cluster.root / "language-models"
    shutil.copytree(language_model.ensure(print), folder / "smollm")
    for each in (folder / "smollm").iterdir():
        each.chmod(0o644)  # weights are written for their writer alone
    folder.chmod(0o755)
    return folder


@pytest.fixture
def chat(writer, server, language_models, kept, request):
    """The InferenceService in a namespace of its own; it takes its time to become ready."""
    with namespaces.namespace(writer, f"{request.node.nodeid}, chats", {}, kept=kept) as space:
        item = chat_service(space)
        with begun(writer, item, huggingface(space, server), language_models):
            yield item


@pytest.fixture(scope="session")
def jobs() -> bool:
    """Whether flow runs are Jobs, and not processes of the worker."""
    return False


@pytest.fixture(scope="session")
def directory(
    cluster: ControlPlane, writer: Applier, jobs: bool, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The overlay of this node, and in the namespace what a user gives. It is off again with the cluster."""
    began = time.monotonic()
    written = overlay.write(cluster.root, print, jobs=jobs)
    print(f"turnout lab cluster overlay: {time.monotonic() - began:.0f} s")
    contracts = tmp_path_factory.mktemp("contracts")
    for model, contract in CONTRACTS.items():
        (contracts / f"{model}.yaml").write_text(contract)
    writer.apply([shipped.NAMESPACE])
    installing.give(cluster, contracts)
    return written


@pytest.fixture
def installed(cluster: ControlPlane, directory: Path) -> Path:
    """The overlay, installed: all of it runs. Harmless where it does."""
    wait = f"{installing.WITHIN_SECONDS:g}"
    done = installing.command(cluster, "install", str(directory), "--wait", wait)
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture
def settings(cluster, installed, tmp_path):
    """The settings of the installation, on the machine of who administers it."""
    file = tmp_path / "turnout.yaml"
    text = yaml.safe_load((installed / "turnout.yaml").read_text())
    here = {"state": str(tmp_path), "contracts": str(tmp_path), "kubeconfig": str(cluster.kubeconfig)}
    file.write_text(yaml.safe_dump({**text, **here, "cluster": {}}))
    for model, contract in CONTRACTS.items():
        (tmp_path / f"{model}.yaml").write_text(contract)
    return file


@pytest.fixture
def mover(cluster, settings):
    """Gives an InferenceService what it takes to move."""

    def move(item, path, models, *bodies):
        return Moving(cluster, settings, item, path, *bodies).with_files(models)

    return move


@pytest.fixture
def moving(writer, space, image, models_and_topics, mover):
    """Lets KServe serve a model that is going to move; its clients wait until it does."""
    made = [*volume(space, models_and_topics), runtime(space, image)]

    def move(name, protocol, path, body):
        made.append(legacy(space, name, protocol))
        writer.apply(made)
        return mover(made[-1], path, models_and_topics, body)

    yield move
    for item in made:
        writer.delete(item)


@pytest.fixture
def router(writer):
    """What routes say, read only."""
    place = gateways.Place("turnout", "turnout", None, overlay.HOSTNAME)
    return GatewayRouter(writer, place, sentinel=Backend(name="unused", port=1))


@pytest.fixture
def desk(cluster, installed, jobs):
    """Where runs are started; the models' owners have the means to answer at gates."""
    assert installed
    for owner in OWNERS:
        at_desk(cluster, "turnout", "code", owner, "--enrol")
    with prefect(cluster) as api:
        yield Desk(cluster, api, SMALL if jobs else {})
