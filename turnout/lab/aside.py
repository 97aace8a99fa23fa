"""Begins from nothing: an earlier lab's state is moved aside, never deleted, never mixed with a new one's."""

import time
from pathlib import Path

from turnout.domain.errors import RefusedError
from turnout.fabric.board import Board
from turnout.fabric.state import State


def set_aside(root: Path) -> Path | None:
    """Move the state of an earlier lab aside.

    Args:
        root: The state directory; one that holds no lab's state stays as it is.

    Returns:
        Where the earlier state lies now, or None where there was none.

    Raises:
        RefusedError: The lab is up, or its directory cannot be moved.
    """
    state = State(root.resolve())
    if (pid := Board(state).supervisor()) is not None:
        raise RefusedError(
            f"lab in {state.root}", observed=f"up already (supervisor {pid})", limit="a lab that is down",
            remedy=f"Run: turnout lab down --state {root}",
        )  # fmt: skip
    if not state.ports_file.is_file():
        return None
    began = time.strftime("%Y%m%d-%H%M%S", time.localtime(state.ports_file.stat().st_mtime))
    target = state.root.with_name(f"{state.root.name}-{began}")
    try:
        return state.root.rename(target)
    except OSError as error:
        raise RefusedError(
            f"state directory {state.root}", observed=f"cannot be moved to {target}: {error.strerror}",
            limit="a directory that a new demonstration can begin in", remedy="Name another with --state.",
        ) from error  # fmt: skip
