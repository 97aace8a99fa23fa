"""Where specs of servers are put up and their statuses are shown: files, as static pods have them.

`Processes` writes specs and reads statuses, the supervisor reads specs and writes statuses; neither waits for
the other, and either may die at any moment.
"""

import fcntl
import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from turnout.domain.errors import InvalidInputError
from turnout.domain.evidence import digest_of
from turnout.domain.server import ServerSpec, ServerStatus
from turnout.fabric import whole
from turnout.fabric.state import State

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


class Observed(BaseModel):
    """A server as the supervisor last saw it.

    Attributes:
        digest: Digest of the spec that this is about.
        status: How the server is.
        refused: It cannot be started until someone changes something (a port is taken, no environment).
    """

    model_config = ConfigDict(frozen=True)

    digest: str
    status: ServerStatus
    refused: bool = False


def digest(spec: ServerSpec) -> str:
    """Digest of a spec; another digest means the server is started anew."""
    return digest_of(spec.model_dump(mode="json"))


class Board:
    """Specs and statuses of one state directory.

    Args:
        state: The state directory.
    """

    def __init__(self, state: State) -> None:
        """Look at the state directory; nothing is created yet."""
        self._specs = state.servers
        self._statuses = state.servers / "status"

    @property
    def lock_file(self) -> Path:
        """Held, as long as it lives, by the one supervisor of the state directory; its pid stands in it."""
        return self._specs / "supervisor.lock"

    def put(self, spec: ServerSpec) -> None:
        """Put up a spec; the same spec again changes nothing.

        Raises:
            InvalidInputError: The name would not make a file name of its own.
            RefusedError: The state directory is full.
        """
        if not _NAME.fullmatch(spec.name):
            raise InvalidInputError(
                f"server {spec.name!r}",
                observed="characters outside a-z, 0-9 and -",
                limit="a DNS label",
                remedy="Choose another name.",
            )
        if self.spec(spec.name) != spec:
            whole.write(self._specs / f"{spec.name}.json", spec.model_dump_json(indent=1))

    def take(self, name: str) -> None:
        """Take a spec down; its server is ended."""
        (self._specs / f"{name}.json").unlink(missing_ok=True)

    def take_all(self) -> None:
        """Take every spec down."""
        for name in self.names():
            self.take(name)

    def names(self) -> list[str]:
        """Names of the servers that should run."""
        return sorted(file.stem for file in self._specs.glob("*.json") if not file.name.startswith("."))

    def spec(self, name: str) -> ServerSpec | None:
        """The spec of a server; None where there is none, or none that can be read."""
        try:
            return ServerSpec.model_validate_json((self._specs / f"{name}.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def show(self, observed: Observed) -> None:
        """Show how a server is.

        Raises:
            RefusedError: The state directory is full.
        """
        whole.write(self._statuses / f"{observed.status.name}.json", observed.model_dump_json())

    def observed(self, name: str) -> Observed | None:
        """How a server was last seen; None where it was not."""
        try:
            return Observed.model_validate_json((self._statuses / f"{name}.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def forget(self, name: str) -> None:
        """Remove the status of a server that is gone."""
        (self._statuses / f"{name}.json").unlink(missing_ok=True)

    def forget_all(self) -> None:
        """Remove every status: what an earlier supervisor saw is not so any more."""
        for file in self._statuses.glob("*.json"):
            file.unlink(missing_ok=True)

    def supervisor(self) -> int | None:
        """Pid of the supervisor (or of its reaper at work) while one holds the state directory, else None."""
        try:
            with self.lock_file.open("rb") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return int(lock.read() or 0)
        except OSError:
            pass
        return None
