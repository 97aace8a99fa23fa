"""Runs Envoy so that a successor can take over its listeners and connections: a hot restart.

    python -P hot_restart.py ENVOY-OPTIONS... --base-id N

SIGHUP starts the next epoch (`--restart-epoch`): it takes the listening sockets over, the one before drains
and ends by itself. SIGTERM ends all of them. This ends when the newest ends, so that its supervisor starts
Envoy anew; and none of them outlives it. Runs in Envoy's own environment, by its path: the standard library
alone.
"""

import ctypes
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""
_POLL_SECONDS = 0.05
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 -- where POSIX shared memory lies; Envoy chooses the name


def base_id(state_root: Path) -> int:
    """What tells the Envoys of one state directory from all others on the machine: 28 bits of its path."""
    return int(hashlib.sha256(os.fsencode(state_root.resolve())).hexdigest()[:7], 16)


def clear(base: int) -> None:
    """Remove the shared memory that Envoy leaves behind; for when none of this base id runs any more."""
    (_SHARED_MEMORY / f"envoy_shared_memory_{base * 10}").unlink(missing_ok=True)


class Epochs:
    """The Envoys of one base id, oldest first: one, or two while the older one drains.

    Args:
        command: Envoy's binary and options, without the epoch.
    """

    def __init__(self, command: list[str]) -> None:
        """Nothing is started yet."""
        self._command = command
        self._living: list[subprocess.Popen[bytes]] = []
        self._epoch = 0
        self._wanted = True
        self._ending = False

    def want_successor(self, *_: object) -> None:
        """Start the next epoch soon; a handler of SIGHUP."""
        self._wanted = True

    def end(self, *_: object) -> None:
        """End all; a handler of SIGTERM."""
        self._ending = True
        for process in self._living:
            process.terminate()

    def run(self) -> int:
        """Keep Envoy until its newest epoch ends; returns how that ended."""
        status = 0
        while not self._ending:
            if self._wanted:
                self._succeed()
            if (ended := self._living[-1].poll()) is not None:
                status = ended
                break
            self._living = [process for process in self._living if process.poll() is None]
            time.sleep(_POLL_SECONDS)
        self.end()
        for process in self._living:
            process.wait()
        return status if status >= 0 else 128 - status

    def _succeed(self) -> None:
        if len(self._living) > 1:  # Envoy takes no third: it is done when the oldest has drained
            return
        self._wanted = False
        command = [*self._command, "--restart-epoch", str(self._epoch)]
        self._living.append(subprocess.Popen(command, preexec_fn=_dies_with_parent))  # noqa: PLW1509 -- no threads here
        self._epoch += 1


def _dies_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def main() -> int:
    """Run the Envoy of this environment with the options given."""
    import envoy._bin as package  # noqa: PLC0415 -- in Envoy's environment alone

    epochs = Epochs([str(Path(package.__file__).parent / "envoy"), *sys.argv[1:]])
    signal.signal(signal.SIGHUP, epochs.want_successor)
    signal.signal(signal.SIGTERM, epochs.end)
    signal.signal(signal.SIGINT, epochs.end)
    status = epochs.run()
    clear(int(sys.argv[sys.argv.index("--base-id") + 1]))
    return status


if __name__ == "__main__":
    sys.exit(main())
