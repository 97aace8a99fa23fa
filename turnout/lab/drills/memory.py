"""A memory limit on processes, by cgroup, at which the kernel kills them. Takes root."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

_V1 = Path("/sys/fs/cgroup/memory")
_V2 = Path("/sys/fs/cgroup")


def available() -> bool:
    """Whether processes can be limited here."""
    return os.geteuid() == 0 and (_is_v1() or _is_v2())


@contextlib.contextmanager
def limited(pids: Iterable[int], *, further_bytes: int, name: str) -> Iterator[Callable[[], int]]:
    """Let processes grow by so many bytes and no further, while the block lasts.

    Gives what tells how many of them the kernel has killed so far.

    Args:
        pids: The processes, with all that they start later.
        further_bytes: What they may allocate from now on.
        name: Of the group; unique on the machine.
    """
    group = (_V1 if _is_v1() else _V2) / name
    group.mkdir()
    try:
        limit = "memory.limit_in_bytes" if _is_v1() else "memory.max"
        (group / limit).write_text(str(further_bytes))  # what they hold already is not charged to the group
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid))
        yield lambda: _killed(group)
    finally:
        _leave(group)


def _killed(group: Path) -> int:
    file = group / ("memory.oom_control" if _is_v1() else "memory.events")
    counts = dict(line.split() for line in file.read_text().splitlines())
    return int(counts["oom_kill"])


def _leave(group: Path) -> None:
    for pid in (group / "cgroup.procs").read_text().split():
        with contextlib.suppress(OSError):
            (group.parent / "cgroup.procs").write_text(pid)
    group.rmdir()


def _is_v1() -> bool:
    return (_V1 / "memory.limit_in_bytes").exists()


def _is_v2() -> bool:
    controllers = _V2 / "cgroup.subtree_control"
    return controllers.exists() and "memory" in controllers.read_text().split()
