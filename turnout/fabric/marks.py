"""How the processes of one lab are told from all others: by marks in their environment.

Every server, and whatever it starts, inherits `TURNOUT_LAB` (which lab) and `TURNOUT_SERVER` (which server).
A process that leaves its group, its session and its parent still carries them. Containers have an environment
of their own; what runs in them is found by the lab's control groups. Used by the supervisor to end a server
with all it started, by the reaper, and by `turnout lab down` to prove that nothing is left.
"""

import contextlib
import hashlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from turnout.fabric import cgroups

LAB = "TURNOUT_LAB"
SERVER = "TURNOUT_SERVER"
KEEPERS = frozenset({"supervisor", "reaper"})
"""Names of the processes that keep the others; they end by themselves."""


def lab_id(state_root: Path) -> str:
    """Identify the lab of a state directory: the same for the same directory, unlike any other's."""
    return hashlib.sha256(os.fsencode(state_root.resolve())).hexdigest()[:16]


def marks(lab: str, server: str) -> dict[str, str]:
    """The variables that mark a process.

    SPT_NOENV keeps setproctitle (Ray and others use it) from overwriting the memory that marks are read from.
    """
    return {LAB: lab, SERVER: server, "SPT_NOENV": "1"}


def marked(lab: str, server: str | None = None) -> list[psutil.Process]:
    """Living processes of a lab, its containers included, or of one server in it; never the calling one."""
    contained = cgroups.members(lab) if server is None else frozenset[int]()
    return [
        p
        for p in psutil.process_iter()
        if p.pid != os.getpid() and (p.pid in contained or _carries(p, lab, server))
    ]


def servers_only(lab: str) -> list[psutil.Process]:
    """Living processes of a lab without those that keep the others."""
    return [p for p in marked(lab) if server_of(p) not in KEEPERS]


def server_of(process: psutil.Process) -> str:
    """Name of the server that a process belongs to; empty where it cannot be read."""
    try:
        return str(process.environ().get(SERVER, ""))
    except (psutil.Error, OSError):
        return ""


def end_servers(lab: str, *, grace_seconds: float) -> None:
    """End every process of a lab but those that keep the others, and remove its control groups."""
    end(lambda: servers_only(lab), grace_seconds=grace_seconds)
    cgroups.remove(lab)


def end(find: Callable[[], Iterable[psutil.Process]], *, grace_seconds: float) -> None:
    """Ask processes to end, then kill what is left, until a look finds none.

    Args:
        find: Looks for them; asked again and again, since a dying process may start another.
        grace_seconds: Time between asking and killing.
    """
    found = list(find())
    send(found, signal.SIGTERM)
    psutil.wait_procs(found, timeout=grace_seconds)
    for _ in range(50):
        if not (found := list(find())):
            return
        send(found, signal.SIGKILL)
        psutil.wait_procs(found, timeout=1.0)
        time.sleep(0.02)


def send(processes: Iterable[psutil.Process], sign: signal.Signals) -> None:
    """Send a signal to those that still live; psutil checks that a pid has not passed to another process."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(sign)


def _carries(process: psutil.Process, lab: str, server: str | None) -> bool:
    try:
        environment = process.environ()  # a zombie has none left
    except (psutil.Error, OSError):
        return False
    return environment.get(LAB) == lab and server in (None, environment.get(SERVER))
