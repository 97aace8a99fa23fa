"""Waiting in tests for what comes about by itself, for a bounded time."""

import time
from collections.abc import Callable
from typing import Any

WITHIN_SECONDS = 60.0
"""What takes a moment on an idle machine, with room for a busy one."""
_LOOK_SECONDS = 0.05


def until(found: Callable[[], Any], what: str, within_seconds: float = WITHIN_SECONDS) -> Any:
    """Wait until something is there or true; returns it.

    Args:
        found: Looks for it; a call may take its time.
        what: Named when it never came.
        within_seconds: Longest wait.
    """
    deadline = time.monotonic() + within_seconds
    while not (it := found()):
        assert time.monotonic() < deadline, f"not within {within_seconds:g} s: {what}"
        time.sleep(_LOOK_SECONDS)
    return it
