"""Which of several sentinels guards: the others arm nobody and write nothing."""

import threading
from collections.abc import Callable
from typing import Protocol

from turnout.services.sentinel.files import Files

POLL_SECONDS = 0.2


class Lead(Protocol):
    """One sentinel's right to guard."""

    def start(self) -> None:
        """Ask for it from now on.

        Raises:
            RefusedError: It will not be given.
        """

    def holds(self) -> bool:
        """Whether this one may arm and judge at this moment."""

    def end(self) -> None:
        """Give it back."""


class Alone:
    """The right of the only sentinel on a machine: a lock on its files, which the kernel lifts at its end."""

    def __init__(self, files: Files) -> None:
        """Hold nothing yet."""
        self._files = files

    def start(self) -> None:
        """Take the lock, or refuse to begin beside another one."""
        self._files.lock()

    def holds(self) -> bool:
        """From the start to the end."""
        return True

    def end(self) -> None:
        """Lift the lock."""
        self._files.unlock()


def await_lead(lead: Lead, stop: threading.Event, alive: Callable[[], None]) -> bool:
    """Wait until the right is given.

    Args:
        lead: The right.
        stop: Ends the waiting.
        alive: Called while waiting: one that stands by is as well as one that guards.

    Returns:
        Whether it was given.
    """
    while not lead.holds():
        alive()
        if stop.wait(POLL_SECONDS):
            return False
    return not stop.is_set()
