"""Brings the control plane up; nothing is left behind where that fails."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from turnout.domain.errors import RefusedError
from turnout.domain.server import ServerSpec
from turnout.fabric import marks, whole
from turnout.fabric.board import Board
from turnout.fabric.kubernetes.apply import Applier
from turnout.fabric.processes import Processes
from turnout.fabric.state import State
from turnout.fabric.tether import Tether, tethered
from turnout.lab.cluster import binary, definitions, network, servers
from turnout.lab.cluster.credentials import Credentials
from turnout.lab.cluster.plane import ControlPlane

READY_WITHIN_SECONDS = 180.0
"""Each is ready in seconds on an idle machine; two loaded cores need a multiple."""
_LOOPBACK = "127.0.0.1"

Say = Callable[[str], None]


def up(root: Path, *, loopback: bool = False, bare: bool = False, say: Say) -> ControlPlane:
    """Bring a control plane up and leave it running.

    Args:
        root: The state directory; what an earlier one stored there is there again.
        loopback: Use free ports on loopback even where a network namespace could be had.
        bare: Serve Kubernetes' own kinds only.
        say: Gets progress, a line a time.

    Raises:
        RefusedError: It is up already.
        TurnoutError: Something could not be built or did not start; all that did is ended again.
    """
    with _risen(root, loopback=loopback, bare=bare, say=say) as (tether, plane):
        tether.detach()
    return plane


@contextmanager
def running(root: Path, *, loopback: bool = False, bare: bool = False, say: Say) -> Iterator[ControlPlane]:
    """A control plane that lives as long as the block, and no longer than the process that is in it."""
    with _risen(root, loopback=loopback, bare=bare, say=say) as (_, plane):
        yield plane


@contextmanager
def _risen(root: Path, *, loopback: bool, bare: bool, say: Say) -> Iterator[tuple[Tether, ControlPlane]]:
    state = State(root.resolve())
    if (pid := Board(state).supervisor()) is not None:
        raise RefusedError(
            f"cluster in {state.root}", observed=f"up already (supervisor {pid})",
            limit="a cluster that is down", remedy="Run: turnout lab cluster down",
        )  # fmt: skip
    marked = marks.marks(marks.lab_id(state.root), "up")  # a compiler ends with the cluster, too
    program = binary.ensure(say, env=marked)
    kinds = [] if bare else definitions.ensure(say, env=marked)
    alone = not loopback and network.available()
    say = _timed(say)
    with tethered(state, within=network.ENTER if alone else ()) as tether:
        rise = _Rise(
            state, program, network.open_link(tether.process.pid, _first(state)) if alone else None, say
        )
        yield tether, rise.run(kinds)


class _Rise:
    """One start of a control plane."""

    def __init__(self, state: State, program: Path, link: network.Link | None, say: Say) -> None:
        self._state = state
        self._say = say
        self._link = link
        self._credentials = Credentials(state.root / "credentials")
        self._processes = Processes(state)
        self._servers = servers.Servers(
            binary=program,
            root=state.root,
            credentials=self._credentials,
            address=link.inside if link else _LOOPBACK,
            ports=servers.own_ports() if link else servers.free_ports(),
        )

    def run(self, kinds: list[dict[str, object]]) -> ControlPlane:
        self._lay_out()
        self._start(self._servers.etcd())
        self._start(self._servers.api_server())
        self._credentials.write_kubeconfigs(self._servers.url, self._servers.authority)
        plane = ControlPlane(
            root=self._state.root,
            url=self._servers.url,
            authority=self._servers.authority,
            interface=self._link.interface if self._link else None,
        )
        plane.write()
        others = (self._servers.controllers(), self._servers.scheduler(), self._servers.kwok())
        with ThreadPoolExecutor() as pool, Applier(plane.kubeconfig) as applier:
            steps = [pool.submit(self._start, spec) for spec in others]
            steps.append(pool.submit(definitions.install, applier, kinds))
            for step in steps:
                step.result()
        if kinds:
            self._say(f"{len(kinds)} kinds of the projects in {definitions.SOURCES.name}: served")
        return plane

    def _lay_out(self) -> None:
        """Make what the servers read; an earlier start's specs and certificate named other ports."""
        board = Board(self._state)
        for name in board.names():
            board.take(name)
        shutil.rmtree(self._servers.authority.parent, ignore_errors=True)
        self._credentials.make()
        stages = subprocess.run(
            [self._servers.binary, "kwok-stages"], check=True, capture_output=True, text=True, timeout=60
        )
        whole.write(self._servers.stages, stages.stdout)

    def _start(self, spec: ServerSpec) -> None:
        status = self._processes.ensure(spec, ready_within_seconds=READY_WITHIN_SECONDS)
        self._say(f"{spec.name}: {status.state} (process {status.pid})")


def _first(state: State) -> int:
    """The subnet to try first: the same for the same state directory."""
    return int(marks.lab_id(state.root), 16)


def _timed(say: Say) -> Say:
    began = time.monotonic()
    return lambda line: say(f"[{time.monotonic() - began:5.1f} s] {line}")
