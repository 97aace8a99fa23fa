"""Control groups named after a lab: what runs in its containers carries no mark, but is in one of these.

The container runtime makes them below one directory in each of the kernel's hierarchies (of version 1, or the
one of version 2). Used by `turnout.fabric.marks` to find such processes and to remove the groups after them.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from turnout.fabric import priority

ROOT = Path("/sys/fs/cgroup")
REMOVED_SECONDS = 10.0
"""A group stays busy for a moment after its last process has ended."""


def name(lab: str) -> str:
    """Name of a lab's control group in each hierarchy."""
    return f"turnout-{lab}"


def make(lab: str) -> None:
    """Make a lab's control group in each hierarchy, as nice as the caller; harmless when it is there."""
    for hierarchy in _hierarchies():
        (hierarchy / name(lab)).mkdir(exist_ok=True)
        priority.weigh(hierarchy / name(lab))


def members(lab: str) -> set[int]:
    """Pids of the processes in a lab's control groups."""
    return {
        int(line)
        for group in _groups(lab)
        for folder, _, _ in os.walk(group)
        for line in _lines(Path(folder) / "cgroup.procs")
    }


def remove(lab: str) -> None:
    """Remove a lab's control groups, whose processes have ended; one that stays busy is left."""
    until = time.monotonic() + REMOVED_SECONDS
    while (groups := list(_groups(lab))) and time.monotonic() < until:
        for group in groups:
            for folder, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()
        if list(_groups(lab)):
            time.sleep(0.05)


def _hierarchies() -> Iterator[Path]:
    if (ROOT / "cgroup.controllers").is_file():
        yield ROOT
    else:
        yield from (folder for folder in ROOT.iterdir() if (folder / "cgroup.procs").is_file())


def _groups(lab: str) -> Iterator[Path]:
    """Where they are, by their names alone: quick where a lab has none."""
    yield from (group for group in (ROOT / name(lab), *ROOT.glob(f"*/{name(lab)}")) if group.is_dir())


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:  # removed meanwhile
        return []
