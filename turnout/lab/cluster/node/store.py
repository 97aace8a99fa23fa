"""The node's images: made when they are first needed, and brought into containerd."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from turnout.domain.errors import NotFoundError
from turnout.fabric.board import Board
from turnout.fabric.environments import Progress
from turnout.fabric.state import State
from turnout.lab.cluster import dockerfiles, images
from turnout.lab.cluster.node import inside


@dataclass(frozen=True)
class Store:
    """The images of one node.

    Attributes:
        process: A process in the node's namespaces.
        root: The state directory, which has room for archives on their way.
    """

    process: int
    root: Path

    def ensure(self, program: Path, *beside: Path) -> str:
        """Bring an image of one program, and of what it starts, into the store unless it is there.

        Returns:
            Its reference, which changes with the programs.

        Raises:
            TemporaryError: containerd did not take it.
        """
        reference = images.reference(program, *beside)
        if reference not in self.references():
            with tempfile.TemporaryDirectory(dir=self.root) as folder:
                archive = Path(folder) / "image.tar"
                images.of_program(program, archive, *beside)
                self.load(archive)
        return reference

    def build(self, name: str, say: Progress) -> str:
        """Bring the image of a Dockerfile into the store unless it is there.

        Args:
            name: The Dockerfile's name in deployments/images, without `.Dockerfile`.
            say: Gets a line of text now and then.

        Returns:
            Its reference, which changes with the Dockerfile and with what it copies.

        Raises:
            TemporaryError: It could not be built, or containerd did not take it.
        """
        if (reference := dockerfiles.reference(name)) not in self.references():
            with dockerfiles.archive(name, say) as archive:
                self.load(archive)
        return reference

    def remove(self, references: set[str]) -> None:
        """Take images out of the store, with the layers that no other has."""
        if references:
            self._ctr("images", "remove", "--sync", *references)

    def load(self, archive: Path) -> None:
        """Bring an image into the store; its layers are kept unpacked alone, which halves the room it takes.

        Args:
            archive: As `docker save` writes it.

        Raises:
            TemporaryError: containerd did not take it.
        """
        self._ctr("images", "import", str(archive))
        self._ctr("content", "prune", "references")

    def references(self) -> set[str]:
        """References of the images that are there."""
        return set(self._ctr("images", "list", "--quiet").split())

    def _ctr(self, *arguments: str) -> str:
        command = ("ctr", f"--address={inside.SOCKET}", "--namespace=k8s.io", *arguments)
        return inside.run(self.process, *command)


def of(root: Path) -> Store:
    """The images of a cluster that is up.

    Args:
        root: Its state directory.

    Raises:
        NotFoundError: It is not up.
    """
    if not (process := Board(State(root)).supervisor()):
        raise NotFoundError(
            f"cluster in {root}", observed="not up", limit="a cluster with a real node",
            remedy="Run: turnout lab cluster up --with node",
        )  # fmt: skip
    return Store(process, root)
