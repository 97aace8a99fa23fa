"""Brings the lab down, and proves that nothing of it lives on."""

import contextlib
import os
import signal
import time
from pathlib import Path

from turnout.domain.errors import PermanentError
from turnout.fabric import cgroups, marks
from turnout.fabric.board import Board
from turnout.fabric.processes import Processes
from turnout.fabric.router import hot_restart
from turnout.fabric.state import State
from turnout.lab import ray_head, traffic

_SUPERVISOR_SECONDS = 60.0
_GRACE_SECONDS = 2.0


def down(root: Path) -> bool:
    """End every process of a lab; harmless when it is down.

    Returns:
        Whether there was anything to end.

    Raises:
        PermanentError: A process lives on; the message names it.
    """
    state = State(root.resolve())
    if Board(state).supervisor() is not None:
        Processes(state).stop(traffic.CLIENT)  # first, so that no request of its own meets a closed door
    try:
        return end(state, what="lab")
    finally:
        ray_head.clear(state)
        hot_restart.clear(hot_restart.base_id(state.root))


def end(state: State, *, what: str) -> bool:
    """End the supervisor of a state directory and every process that carries its mark.

    Args:
        state: The state directory.
        what: What runs there, for the error.

    Returns:
        Whether there was anything to end.

    Raises:
        PermanentError: A process lives on; the message names it.
    """
    lab, board = marks.lab_id(state.root), Board(state)
    there = board.supervisor() is not None or bool(marks.marked(lab))
    if board.supervisor() is not None:
        _end_supervisor(board)
    marks.end(lambda: marks.marked(lab), grace_seconds=_GRACE_SECONDS)
    if survivors := marks.marked(lab):
        names = ", ".join(f"{marks.server_of(p)} ({p.pid})" for p in survivors)
        raise PermanentError(
            f"{what} in {state.root}", observed=f"still living: {names}", limit="no process",
            remedy="End these processes by hand.",
        )  # fmt: skip
    cgroups.remove(lab)
    return there


def _end_supervisor(board: Board) -> None:
    until, told = time.monotonic() + _SUPERVISOR_SECONDS, None
    while (pid := board.supervisor()) is not None and time.monotonic() < until:
        if pid and pid != told:  # one that has just begun does not say yet who it is
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            told = pid
        time.sleep(0.1)
