"""What the servers of both arms take while they are compared: processor time and memory."""

import time
from dataclasses import dataclass

import psutil

from runtimes import triton, vllm
from turnout.domain.server import Servers


@dataclass(frozen=True)
class _Taken:
    """What a server and everything it started have taken."""

    cpu_seconds: float
    rss_bytes: int


class Usage:
    """Measures from its making on.

    A bridge in front of the candidate is shared by all models and is not measured; legacy also serves its
    clients. So these figures are for people, and nothing is judged by them.

    Args:
        servers: Knows the processes.
        attempt: The candidate's attempt.
        legacy: Name of legacy's server.
    """

    def __init__(self, servers: Servers, attempt: str, *, legacy: str) -> None:
        """Begin to measure."""
        self._servers = servers
        self._names = {"candidate": self._candidate(attempt), "legacy": legacy}
        self._began = time.monotonic()
        self._before = {arm: self._taken(name) for arm, name in self._names.items()}

    def _candidate(self, attempt: str) -> str:
        """The attempt's own server, of whichever runtime has one for it."""
        names = [triton.server_name(attempt), vllm.server_name(attempt)]
        return next((name for name in names if self._servers.status(name).pid), names[0])

    def measured(self) -> dict[str, dict[str, float | str] | None]:
        """What each arm took since; None where its server is not known here, or was started anew."""
        return {arm: self._of(arm, name) for arm, name in self._names.items()}

    def _of(self, arm: str, name: str) -> dict[str, float | str] | None:
        before, now = self._before[arm], self._taken(name)
        if before is None or now is None or now.cpu_seconds < before.cpu_seconds:
            return None
        return {
            "server": name,
            "seconds": round(time.monotonic() - self._began, 3),
            "cpu_seconds": round(now.cpu_seconds - before.cpu_seconds, 3),
            "rss_mib": round(now.rss_bytes / 2**20, 1),
        }

    def _taken(self, name: str) -> _Taken | None:
        pid = self._servers.status(name).pid
        if pid is None:
            return None
        try:
            root = psutil.Process(pid)
            return _sum([root, *root.children(recursive=True)])
        except psutil.Error:
            return None


def _sum(processes: list[psutil.Process]) -> _Taken:
    """Processes that ended in between took part, but tell nothing any more."""
    cpu_seconds, rss_bytes = 0.0, 0
    for process in processes:
        try:
            with process.oneshot():
                times = process.cpu_times()
                cpu_seconds += times.user + times.system
                rss_bytes += process.memory_info().rss
        except psutil.Error:
            continue
    return _Taken(cpu_seconds, rss_bytes)
