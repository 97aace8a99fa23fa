"""Servers of this process alone, where no lab keeps any: what is tried out while a package is made.

On a cluster a phase runs in a pod of its own, beside others with the same state directory. So these servers
have a state directory of their own, below the machine's temporary files, and a supervisor whose life hangs on
this process.
"""

import os
import secrets
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from turnout.domain.server import ServerSpec, ServerStatus
from turnout.fabric.board import Board
from turnout.fabric.processes import Processes
from turnout.fabric.state import State
from turnout.fabric.tether import tethered


class OwnProcesses:
    """Servers that end with the last of them, or with this process.

    Attributes:
        state: Their state directory; it is there while one of them is.
    """

    def __init__(self) -> None:
        """Nothing is started yet."""
        name = f"turnout-{os.getpid()}-{secrets.token_hex(4)}"
        self.state = State(Path(tempfile.gettempdir()) / name)
        self._processes = Processes(self.state)
        self._supervised: ExitStack | None = None

    def ensure(self, spec: ServerSpec, *, ready_within_seconds: float) -> ServerStatus:
        """Bring a server up, with a supervisor if there is none yet; errors are those of `Processes`."""
        if self._supervised is None:
            self._supervised = ExitStack()
            self._supervised.enter_context(tethered(self.state))
        return self._processes.ensure(spec, ready_within_seconds=ready_within_seconds)

    def stop(self, name: str) -> None:
        """End a server; the supervisor ends with the last one, and what they wrote is gone.

        Raises:
            TemporaryError: It was not gone in time.
        """
        if self._supervised is None:
            return
        self._processes.stop(name)
        if not Board(self.state).names():
            supervised, self._supervised = self._supervised, None
            supervised.close()
            shutil.rmtree(self.state.root, ignore_errors=True)

    def status(self, name: str) -> ServerStatus:
        """Return how a server is."""
        return self._processes.status(name)
