"""Servers as processes on this machine: `Servers` by spec files that a supervisor keeps true.

A server outlives the flow that asked for it, is started again when it dies, and ends with the lab.
"""

import time

from turnout.domain.errors import NotFoundError, TemporaryError, UnreachableError
from turnout.domain.server import ServerSpec, ServerStatus
from turnout.fabric import environments, ports
from turnout.fabric.board import Board, Observed, digest
from turnout.fabric.environments import Progress
from turnout.fabric.state import State

_MOST_RESTARTS = 5
"""Ends in a row, while it is waited for, after which waiting longer helps nobody."""
_POLL_SECONDS = 0.1
_TAIL_BYTES = 4000
_TAIL_LINES = 12


class Processes:
    """Servers of one state directory.

    Args:
        state: The state directory; its supervisor has to run.
        progress: Gets a line now and then while an environment is installed.
    """

    def __init__(self, state: State, progress: Progress | None = None) -> None:
        """Nothing is started yet."""
        self._state = state
        self._board = Board(state)
        self._progress = progress

    def ensure(self, spec: ServerSpec, *, ready_within_seconds: float) -> ServerStatus:
        """Bring a server to what its spec says and wait until it is ready; harmless when it is so already.

        Raises:
            InvalidInputError: A port is taken; the message says by whom.
            NotFoundError: Its environment has no lock.
            RefusedError: The state directory is full.
            TemporaryError: It was not ready in time; the message ends with its last lines of output.
        """
        self._require_supervisor(spec.name)
        environments.ensure(spec.environment, self._progress)
        if (seen := self._current(spec)) and seen.status.state == "ready":
            return seen.status
        if not self._holds_ports(spec):
            ports.require_free(spec.name, spec.ports)
        self._board.put(spec)
        return self._wait(spec, ready_within_seconds)

    def stop(self, name: str) -> None:
        """End a server and everything it started; harmless when there is none.

        Raises:
            TemporaryError: It was not gone in time.
        """
        spec = self._board.spec(name)
        self._board.take(name)
        until = time.monotonic() + (spec.stop_seconds if spec else 5.0) + 15.0
        while self._board.supervisor() and self._board.observed(name):
            if time.monotonic() > until:
                raise TemporaryError(
                    f"server {name}",
                    observed="still running after it was told to end",
                    limit="an end in time",
                    remedy=f"See {self._state.log(name)}.",
                )
            time.sleep(_POLL_SECONDS)

    def status(self, name: str) -> ServerStatus:
        """Return how a server is; `unknown` where nobody watches it."""
        if (seen := self._board.observed(name)) is None:
            wanted = self._board.spec(name) is not None
            return ServerStatus(name=name, state="starting" if wanted else "stopped")
        if self._board.supervisor() is None and seen.status.state != "stopped":
            return ServerStatus(name=name, state="unknown", detail="no supervisor runs")
        return seen.status

    def tail(self, name: str) -> str:
        """The last lines that a server wrote."""
        try:
            with self._state.log(name).open("rb") as log:
                log.seek(max(0, log.seek(0, 2) - _TAIL_BYTES))
                text = log.read().decode(errors="replace")
        except OSError:
            return "(no output)"
        return "\n".join(text.splitlines()[-_TAIL_LINES:]) or "(no output)"

    def _wait(self, spec: ServerSpec, seconds: float) -> ServerStatus:
        until = time.monotonic() + seconds
        most = self.status(spec.name).restarts + _MOST_RESTARTS
        while time.monotonic() < until:
            self._require_supervisor(spec.name)
            if (seen := self._current(spec)) is not None:
                if seen.status.state == "ready":
                    return seen.status
                over = seen.status.state == "stopped" and not spec.restart
                if seen.refused or over or seen.status.restarts >= most:
                    break
            time.sleep(_POLL_SECONDS)
        status = self.status(spec.name)
        raise TemporaryError(
            f"server {spec.name}",
            observed=f"{status.state} after {seconds:g} s at most"
            + (f" ({status.detail})" if status.detail else ""),
            limit="ready",
            remedy=f"Its last output ({self._state.log(spec.name)}):\n{self.tail(spec.name)}",
        )

    def _current(self, spec: ServerSpec) -> Observed | None:
        seen = self._board.observed(spec.name)
        if seen is None or seen.digest != digest(spec) or self._board.spec(spec.name) != spec:
            return None
        return seen

    def _holds_ports(self, spec: ServerSpec) -> bool:
        """Whether the ports may be taken by this very server, as it runs now."""
        now = self._board.spec(spec.name)
        return now is not None and set(spec.ports) <= set(now.ports)

    def _require_supervisor(self, name: str) -> None:
        if self._board.supervisor() is None:
            raise UnreachableError(
                f"server {name}",
                observed=f"no supervisor runs on {self._state.root}",
                limit="a running lab",
                remedy="Run: turnout lab up",
            )


def known(state: State) -> list[str]:
    """Names of the servers that should run on a state directory.

    Raises:
        NotFoundError: There is no such state directory.
    """
    if not state.servers.is_dir():
        raise NotFoundError(
            f"state directory {state.root}",
            observed="no servers are known there",
            limit="the state directory of a lab",
            remedy="Run: turnout lab up",
        )
    return Board(state).names()
