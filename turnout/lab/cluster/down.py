"""Brings the control plane down, and proves that neither a process nor an interface of it is left."""

import time
from pathlib import Path

from turnout.domain.errors import NotFoundError, PermanentError
from turnout.fabric.state import State
from turnout.lab import down as lab_down
from turnout.lab.cluster import network, plane

_GONE_SECONDS = 10.0
"""The kernel removes a namespace a moment after its last process."""


def down(root: Path) -> bool:
    """End every process of a cluster; harmless when it is down.

    Returns:
        Whether there was anything to end.

    Raises:
        PermanentError: A process or the interface lives on; the message names it.
    """
    state = State(root.resolve())
    there = lab_down.end(state, what="cluster")
    try:
        interface = plane.read(state.root).interface
    except NotFoundError:
        return there
    if interface is not None:
        _await_gone(interface)
    return there


def _await_gone(interface: str) -> None:
    until = time.monotonic() + _GONE_SECONDS
    while network.exists(interface):
        if time.monotonic() > until:
            raise PermanentError(
                f"interface {interface}", observed="still there", limit="none, with its namespace gone",
                remedy="See which process is still in the namespace: lsns --type net.",
            )  # fmt: skip
        time.sleep(0.05)
