"""Finds the processes that a drill is about, and sends them signals."""

import signal
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from turnout.domain.server import Servers
from turnout.fabric import marks
from turnout.fabric.state import State
from turnout.lab.drills.drill import ENVOY, LEGACY, RUN, TRITON, WORKER

_RUN_ID = "PREFECT__FLOW_RUN_ID"
"""What Prefect's worker tells the process of a flow run."""


@dataclass(frozen=True)
class Moving:
    """A model's migration as the processes know it: the attempt, and the run of Prefect."""

    model: str
    attempt: str
    run: str


class Processes:
    """The processes of a lab by what they are to a drill.

    Args:
        state: The state directory.
        servers: Where the lab's servers run.
    """

    def __init__(self, state: State, servers: Servers) -> None:
        """Keep where to look."""
        self._lab = marks.lab_id(state.root)
        self._servers = servers

    def leaders(self, target: str, moving: Iterable[Moving]) -> dict[str, list[psutil.Process]]:
        """The processes whose death is the death of the target, by model; "" where all models share one."""
        if target == RUN:
            return _some({one.model: self._run(one) for one in moving})
        found = {}
        for model, name in server_names(target, moving).items():
            pid = self._servers.status(name).pid
            found[model] = [psutil.Process(pid)] if pid and psutil.pid_exists(pid) else []
        if target == ENVOY:  # not what runs it: what serves
            found = {model: [c for p in them for c in p.children()] for model, them in found.items()}
        return _some(found)

    def whole(self, target: str, moving: Iterable[Moving]) -> dict[str, list[psutil.Process]]:
        """The same with everything that the target has started, as a container would hold it."""
        moving = tuple(moving)
        if target in (RUN, WORKER):  # a worker starts the runs, which are drilled on their own
            return self.leaders(target, moving)
        return _some(
            {model: marks.marked(self._lab, name) for model, name in server_names(target, moving).items()}
        )

    def _run(self, moving: Moving) -> list[psutil.Process]:
        return [p for p in marks.marked(self._lab, WORKER) if _variable(p, _RUN_ID) == moving.run]


def server_names(target: str, moving: Iterable[Moving]) -> dict[str, str]:
    """Names of the lab's servers that a target is, by model; "" where all models share one."""
    if target == TRITON:
        return {one.model: f"triton-{one.attempt}" for one in moving}
    if target == LEGACY:
        return {one.model: f"legacy-{one.model}" for one in moving}
    return {"": WORKER if target == RUN else target}


def send(found: Iterable[psutil.Process], sign: signal.Signals) -> str:
    """Send a signal to processes; returns what was done, in words."""
    told = list(found)
    marks.send(told, sign)
    return f"{sign.name} to {', '.join(str(p.pid) for p in told)}"


def _some(found: dict[str, list[psutil.Process]]) -> dict[str, list[psutil.Process]]:
    return {model: processes for model, processes in found.items() if processes}


def _variable(process: psutil.Process, name: str) -> str:
    try:
        return str(process.environ().get(name, ""))
    except (psutil.Error, OSError):
        return ""
