"""Starts a supervisor whose life hangs on the caller's, until the caller lets it go.

`turnout lab up` brings the lab up inside `tethered` and calls `detach` when all is ready; a test never does.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from turnout.domain.errors import PermanentError, RefusedError
from turnout.fabric import environments, marks, whole
from turnout.fabric.board import Board
from turnout.fabric.state import State
from turnout.fabric.supervisor import DETACH

_START_SECONDS = 30.0
_END_SECONDS = 60.0


@dataclass
class Tether:
    """The caller's end of the pipe.

    Attributes:
        process: The supervisor.
    """

    process: subprocess.Popen[bytes]
    _pipe: int
    detached: bool = field(default=False, init=False)

    def detach(self) -> None:
        """Let the supervisor live on when the caller has ended."""
        os.write(self._pipe, DETACH)
        self.detached = True

    def close(self) -> None:
        """Close the pipe; unless detached, waits until the supervisor has ended all its servers."""
        os.close(self._pipe)
        if not self.detached:
            self.process.wait(_END_SECONDS)


@contextmanager
def tethered(state: State, within: tuple[str, ...] = (), *, anew: bool = False) -> Iterator[Tether]:
    """Keep a supervisor on a state directory; it ends with the block, and with a caller that dies in it.

    Args:
        state: The state directory.
        within: What the supervisor's command is put behind, and has to become it (`unshare --net --`).
        anew: Start nothing of what an earlier supervisor kept there: servers that need something made first
            (a namespace furnished, ports chosen) would find it missing.

    Raises:
        RefusedError: The state directory has a supervisor already, or no room.
    """
    tether = _start(state, within, anew=anew)
    try:
        yield tether
    finally:
        tether.close()


def _start(state: State, within: tuple[str, ...], *, anew: bool) -> Tether:
    board = Board(state)
    if (pid := board.supervisor()) is not None and _lives_on(board):
        raise RefusedError(
            f"state directory {state.root}",
            observed=f"supervisor {pid} keeps it",
            limit="one supervisor a state directory",
            remedy="Run: turnout lab down",
        )
    read_end, write_end = os.pipe()
    try:
        tether = Tether(_spawn(state, read_end, within, anew=anew), write_end)
    finally:
        os.close(read_end)
    _wait(tether, board, state)
    return tether


def _lives_on(board: Board) -> bool:
    """Whether the holder is a supervisor at work, not the reaper of one that has just died."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        pid = board.supervisor()
        if pid is None:
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            time.sleep(0.1)
        else:
            return True
    return True


def _spawn(state: State, read_end: int, within: tuple[str, ...], *, anew: bool) -> subprocess.Popen[bytes]:
    log = state.log("supervisor")
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            return subprocess.Popen(
                [
                    *within,
                    sys.executable,
                    "-m",
                    "turnout.fabric.supervisor",
                    str(state.root),
                    "--tether",
                    str(read_end),
                    *(["--anew"] if anew else []),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=environments.project_root(),
                pass_fds=(read_end,),
                start_new_session=True,
                env={**os.environ, **marks.marks(marks.lab_id(state.root), "supervisor")},
            )
    except OSError as error:
        if whole.is_full(error):
            raise whole.full(log) from error
        raise


def _wait(tether: Tether, board: Board, state: State) -> None:
    until = time.monotonic() + _START_SECONDS
    while board.supervisor() != tether.process.pid:
        if tether.process.poll() is not None or time.monotonic() > until:
            tether.close()
            raise PermanentError(
                f"supervisor of {state.root}",
                observed=f"did not start: {_last_line(state)}",
                limit="a running supervisor",
                remedy=f"See {state.log('supervisor')}.",
            )
        time.sleep(0.05)


def _last_line(state: State) -> str:
    lines = state.log("supervisor").read_text(errors="replace").splitlines()
    return lines[-1] if lines else "no output"
