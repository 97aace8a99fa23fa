"""Brings a cluster up; nothing is left behind where that fails."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turnout.domain.errors import RefusedError
from turnout.domain.server import ServerSpec
from turnout.fabric import marks, whole
from turnout.fabric.board import Board
from turnout.fabric.kubernetes.apply import Applier
from turnout.fabric.processes import Processes
from turnout.fabric.state import State
from turnout.fabric.tether import Tether, tethered
from turnout.lab.cluster import definitions, network, programs, seed, servers
from turnout.lab.cluster.addons.chosen import Addons, Site
from turnout.lab.cluster.credentials import Credentials
from turnout.lab.cluster.plane import ControlPlane

Say = Callable[[str], None]
Kinds = list[dict[str, Any]]


@dataclass(frozen=True)
class Shape:
    """What kind of cluster it is.

    Attributes:
        loopback: Use free ports on loopback even where a network namespace could be had.
        bare: Serve Kubernetes' own kinds only.
        addons: What it has on top of the control plane; what they need comes with them.
    """

    loopback: bool = False
    bare: bool = False
    addons: tuple[str, ...] = ()


PLAIN = Shape()
"""A control plane with the kinds that Turnout reads and writes."""


def up(root: Path, shape: Shape = PLAIN, *, say: Say) -> ControlPlane:
    """Bring a cluster up and leave it running.

    Args:
        root: The state directory; what an earlier one stored there is there again.
        shape: What kind of cluster it is.
        say: Gets progress, a line a time.

    Raises:
        RefusedError: It is up already, or an add-on needs what this machine or the shape does not give.
        TurnoutError: Something could not be built or did not start; all that did is ended again.
    """
    with _risen(root, shape, say) as (tether, plane):
        tether.detach()
    return plane


@contextmanager
def running(root: Path, shape: Shape = PLAIN, *, say: Say) -> Iterator[ControlPlane]:
    """A cluster that lives as long as the block, and no longer than the process that is in it."""
    with _risen(root, shape, say) as (_, plane):
        yield plane


@contextmanager
def _risen(root: Path, shape: Shape, say: Say) -> Iterator[tuple[Tether, ControlPlane]]:
    state = State(root.resolve())
    if (pid := Board(state).supervisor()) is not None:
        raise RefusedError(
            f"cluster in {state.root}", observed=f"up already (supervisor {pid})",
            limit="a cluster that is down", remedy="Run: turnout lab cluster down",
        )  # fmt: skip
    addons = Addons(shape.addons)
    alone = not shape.loopback and network.available()
    addons.require(state.root, alone=alone, bare=shape.bare)
    marked = marks.marks(marks.lab_id(state.root), "up")  # a compiler ends with the cluster, too
    program = programs.ensure(programs.CONTROL_PLANE, say, env=marked)
    kinds = [] if shape.bare else definitions.ensure(say, env=marked)
    addons.build(say, env=marked)
    say = _timed(say)
    with tethered(state, within=addons.enter if alone else (), anew=True) as tether:
        link = network.open_link(tether.process.pid, _first(state)) if alone else None
        rise = _Rise(state, program, link, say)
        yield tether, rise.run(kinds, addons, tether.process.pid)


class _Rise:
    """One start of a cluster."""

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
            address=link.inside if link else servers.LOOPBACK,
            ports=servers.own_ports() if link else servers.free_ports(),
        )

    def run(self, kinds: Kinds, addons: Addons, process: int) -> ControlPlane:
        self._lay_out()
        begun = bool(kinds) and seed.plant(self._servers.binary, kinds, self._servers.store, self._say)
        addons.furnish(process, self._state.root)
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
        with Applier(plane.kubeconfig) as applier:
            self._start_others(definitions.served if begun else definitions.install, kinds, applier)
            site = Site(self._state.root, process, self._servers.address, self._credentials, applier)
            plane = addons.install(plane, site, self._start, self._say)
        plane.write()
        return plane

    def _start_others(self, serve: Callable[[Applier, Kinds], None], kinds: Kinds, applier: Applier) -> None:
        others = (self._servers.controllers(), self._servers.scheduler(), self._servers.kwok())
        with ThreadPoolExecutor() as pool:
            steps = [pool.submit(self._start, spec) for spec in others]
            steps.append(pool.submit(serve, applier, kinds))
            for step in steps:
                step.result()
        if kinds:
            self._say(f"{len(kinds)} kinds of the projects in {definitions.SOURCES.name}: served")

    def _lay_out(self) -> None:
        """Make what the servers read; an earlier start's certificate named other ports."""
        shutil.rmtree(self._servers.authority.parent, ignore_errors=True)
        self._credentials.make()
        stages = subprocess.run(
            [self._servers.binary, "kwok-stages"], check=True, capture_output=True, text=True, timeout=60
        )
        whole.write(self._servers.stages, stages.stdout)

    def _start(self, spec: ServerSpec) -> None:
        status = self._processes.ensure(spec, ready_within_seconds=servers.READY_WITHIN_SECONDS)
        self._say(f"{spec.name}: {status.state} (process {status.pid})")


def _first(state: State) -> int:
    """The subnet to try first: the same for the same state directory."""
    return int(marks.lab_id(state.root), 16)


def _timed(say: Say) -> Say:
    began = time.monotonic()
    return lambda line: say(f"[{time.monotonic() - began:5.1f} s] {line}")
