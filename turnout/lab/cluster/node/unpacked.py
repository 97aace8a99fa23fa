"""Images that are unpacked once for every node of this machine.

To unpack the gigabytes of all images takes minutes, to make hard links to their files seconds: layers are
only read, whoever mounts them, and what a node removes it removes for itself. The store is a cache: a node
that finds none, or not in it what it runs, or that lies on another file system, unpacks for itself.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from turnout.domain.errors import RefusedError, TemporaryError
from turnout.fabric import whole
from turnout.fabric.environments import Progress
from turnout.fabric.exclusive import locked
from turnout.fabric.processes import Processes
from turnout.fabric.state import State
from turnout.fabric.tether import tethered
from turnout.lab.cluster import dockerfiles, network, programs
from turnout.lab.cluster.node import containerd, inside, packages
from turnout.lab.cluster.node.store import Store

READY_WITHIN_SECONDS = 60.0

_LENT = (
    "io.containerd.content.v1.content",
    "io.containerd.metadata.v1.bolt",
    "io.containerd.snapshotter.v1.overlayfs",
)
"""What holds images, of all that containerd keeps."""


def ensure(names: tuple[str, ...], of_programs: Callable[[], tuple[Path, ...]], say: Progress) -> None:
    """Build the images of Dockerfiles and of programs, and unpack those that are not; earlier ones go.

    Args:
        names: The Dockerfiles' names in deployments/images, without `.Dockerfile`.
        of_programs: Gives the programs, once the others are done.
        say: Gets a line of text now and then.

    Raises:
        RefusedError: That takes rights which the caller has not.
        TemporaryError: One could not be built, or containerd did not take it.
    """
    if not network.available():
        raise RefusedError(
            "the images of the cluster's node", observed="no namespace can be made",
            limit="root, or the capabilities that it usually has", remedy="Run it as root.",
        )  # fmt: skip
    packages.ensure(say)
    with _store(shared=False) as root, opened(root) as store:
        there = store.references()
        for name in names:
            _replace(store, there, store.build(name, say), say)
        for program in of_programs():
            _replace(store, there, store.ensure(program), say)


def _replace(store: Store, there: set[str], reference: str, say: Progress) -> None:
    """Say that an image has come to those that were there, and remove its earlier ones."""
    if reference not in there:
        say(f"unpacked the image {reference}")
    store.remove(dockerfiles.earlier(reference, there))


def lend(root: Path) -> None:
    """Give a node that has none yet the images that are unpacked; its containerd does not run yet.

    Args:
        root: The node's state directory.

    Raises:
        TemporaryError: There is no room for the links.
    """
    own = containerd.folder(root)
    with _store(shared=True) as shared:
        there = containerd.folder(shared)
        if any((own / name).exists() for name in _LENT) or not all((there / name).is_dir() for name in _LENT):
            return
        if there.stat().st_dev != own.stat().st_dev:
            return
        command = ("cp", "--archive", "--link", *(str(there / name) for name in _LENT), str(own))
        done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
        if done.returncode != 0:
            raise TemporaryError(
                f"the images of the node in {root}", observed=done.stderr.strip().rpartition("\n")[2],
                limit=f"a link to each file of {there}",
                remedy=f"Look at the room and the inodes (df -hi), or remove {shared}; then run it again.",
            )  # fmt: skip
    for index in (file for name in _LENT for file in (own / name).glob("*.db")):
        staged = index.with_suffix(".own")
        shutil.copy(index, staged)  # the one kind of file that is written to
        staged.replace(index)


@contextmanager
def opened(root: Path) -> Iterator[Store]:
    """The images of a state directory, with a containerd of its own as long as the block lasts."""
    with tethered(State(root), within=inside.ENTER, anew=True) as tether:
        inside.furnish(tether.process.pid, root)
        inside.run(tether.process.pid, "ip", "link", "set", "lo", "up")
        config = root / "containerd.toml"
        whole.write(config, containerd.settings(root, without=(containerd.CRI,)))
        Processes(State(root)).ensure(containerd.spec(config), ready_within_seconds=READY_WITHIN_SECONDS)
        yield Store(tether.process.pid, root)


@contextmanager
def _store(*, shared: bool) -> Iterator[Path]:
    """The shared store's state directory: for its one writer, or for its readers."""
    root = programs.cache() / "unpacked"
    root.mkdir(parents=True, exist_ok=True)
    with locked(root.parent / "unpacked.lock", shared=shared):
        yield root
