"""Locks between processes. The kernel lifts them when their holder ends, however it ends."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from turnout.domain.errors import RefusedError

_POLL_SECONDS = 0.2


@contextmanager
def exclusively(file: Path, holder: str, *, wait_seconds: float) -> Iterator[None]:
    """Hold a file's lock; another process that has it is waited for.

    Args:
        file: The lock; its text says who holds it.
        holder: Who is asking. A lock held under the same name is waited for without limit: it is the remains
            of an earlier process of the same run.
        wait_seconds: How long another holder is waited for.

    Raises:
        RefusedError: Another holder keeps it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        _take(handle, file, holder, time.monotonic() + wait_seconds)
        os.truncate(handle, 0)
        os.pwrite(handle, holder.encode(), 0)
        yield
    finally:
        os.close(handle)


@contextmanager
def locked(file: Path, *, shared: bool = False, waiting: Callable[[], None] = lambda: None) -> Iterator[int]:
    """Hold a file's lock, for one at a time to make what is made once; whoever has it is waited for.

    Args:
        file: The lock.
        shared: Whether others who only look may hold it, too.
        waiting: Called once where somebody has it.

    Yields:
        Its descriptor: a process that it is handed to holds the lock, too, also when this one was killed.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    handle = os.open(file, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, how)
        yield handle
    finally:
        os.close(handle)


def _take(handle: int, file: Path, holder: str, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = file.read_text()
            if other != holder and time.monotonic() > deadline:
                raise RefusedError(
                    file.name,
                    observed=f"held by {other}",
                    limit="one at a time",
                    remedy="Wait until it has ended.",
                ) from None
            time.sleep(_POLL_SECONDS)
        else:
            return
