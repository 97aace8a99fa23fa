"""A process's nice value, for what it starts in sessions and control groups of their own.

Linux weighs sessions (its autogroups) and control groups against each other, each by a weight of its own, and
nice values inside of them alone: a server in a session of its own would lose what `nice` gave its starter.
"""

import contextlib
import os
from pathlib import Path

_WEIGHTS = {"cpu.shares": (1024, 262_144), "cpu.weight": (100, 10_000)}
"""By file, in versions 1 and 2: the weight of one process at nice 0, and the largest that there is."""
_STEP = 1.25
"""By how much each step of nice changes it: the kernel's own table."""


def hand_on(session: int) -> None:
    """Give a session the nice value of the calling process; where the kernel has no autogroups, it has it.

    Args:
        session: The pid of its leader.
    """
    if nice := os.getpriority(os.PRIO_PROCESS, 0):
        with contextlib.suppress(OSError):  # an unprivileged process may do so only now and then
            Path(f"/proc/{session}/autogroup").write_text(str(nice))


def weigh(group: Path) -> None:
    """Give a control group of many the weight that a machine's pods have, at the caller's nice value.

    Args:
        group: Its folder in one of the kernel's hierarchies; those that weigh nothing stay as they are.
    """
    nice, cores = os.getpriority(os.PRIO_PROCESS, 0), os.cpu_count() or 1
    for file, (one, largest) in _WEIGHTS.items():
        if (group / file).is_file():
            (group / file).write_text(str(max(2, min(largest, round(one * cores / _STEP**nice)))))
