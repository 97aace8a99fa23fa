"""The observer's clocks, read once a tick and passed on as a value."""

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Now:
    """One moment.

    Attributes:
        unix_seconds: Wall clock, to stand beside the router's log; never used to time a lease.
        boot_seconds: Since the machine started, sleep included; never set back.
        boot_id: Which start of the machine that was.
    """

    unix_seconds: float
    boot_seconds: float
    boot_id: str


def read() -> Now:
    """Read the clocks."""
    return Now(time.time(), boot_seconds(), _boot_id())


def boot_seconds() -> float:
    """The monotonic clock that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@cache
def _boot_id() -> str:
    return _BOOT_ID.read_text().strip()
