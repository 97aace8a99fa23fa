"""Runs drills against a real lab: three models move under traffic, and one thing after the other goes wrong.

A fault of a process that all models share is a drill of each, in whatever phase its migration is: that is
what makes a hundred drills possible in the time of a few dozen faults.
"""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click
import yaml

from turnout.domain.errors import PermanentError, TurnoutError
from turnout.domain.server import ServerSpec
from turnout.fabric import environments, whole
from turnout.fabric.board import Board
from turnout.fabric.state import State
from turnout.lab import down, estate, up
from turnout.lab.drills import clock, disk, memory, promises, watching
from turnout.lab.drills.drill import (
    CANDIDATE,
    ENVOY,
    LEGACY,
    RUN,
    TRITON,
    Drill,
    Fault,
    Stage,
    exists,
    next_of,
)
from turnout.lab.drills.injections import Injector, Leases
from turnout.lab.drills.observed import Request, Result
from turnout.lab.drills.processes import Moving, Processes, server_names
from turnout.lab.drills.shot import Shot
from turnout.lab.drills.watching import RouteLog
from turnout.settings import VARIABLE, Settings, load

RATE = 20.0
STEP_LEASE_SECONDS = 20.0
"""Of one model: short enough to be outlasted. The others keep the default, and go on after a crash."""
SHORT_LEASE_MODEL = "diabetes"
STEPS = [0.2, 0.3, 0.4, 0.5]
"""A canary that lasts for a few drills."""
READY_AGAIN_SECONDS = 180.0
SENT_BACK_SECONDS = 120.0
"""Longest until a faulty candidate is sent back, on a busy machine."""
CALM_SECONDS = 1.0
NOT_THERE_SECONDS = 4.0
READY_SECONDS = 1.0
"""Between two looks at whether a server is ready, with room."""
SHARE_SECONDS = 60.0
"""For each drill that was asked for; those that nothing can be found for in all that time are not done."""
LEAST_LONGEST_SECONDS = 900.0
ENDED_WITHIN_SECONDS = 420.0
ANSWERED_WITHIN_SECONDS = 60.0
"""After the end of an attempt: no request of a client is under way so long."""
_LOOK_SECONDS = 0.1
_MODELS = tuple(model.name for model in estate.models(estate.Portfolio.QUICK))


def run(folder: Path, wanted: tuple[Drill, ...], *, say: Callable[[str], None] = click.echo) -> "Outcomes":
    """Run drills in a lab of their own, from nothing to the proof that nothing is left.

    Args:
        folder: Gets the lab's state, its logs, and `drills.jsonl`: a line a drill.
        wanted: What to do.
        say: Prints a line of progress.

    Returns:
        What came of it; the lab is down when this returns.
    """
    root = folder / "state"
    began = time.monotonic()

    def timed(line: str) -> None:
        say(f"[{time.monotonic() - began:4.0f} s] {line}")

    with disk.small(root) as small:
        try:
            _lay_out(State(root.resolve()))
            up.up(root, rate=RATE, say=lambda line: say(f"  {line}"))
            campaign = Campaign(root, wanted, folder / "drills.jsonl", small=small, say=timed)
            results = campaign.run()
        finally:
            down.down(root)  # proves that nothing is left, or says what is
            _keep_logs(root, folder / "logs")
    return Outcomes(tuple(results), left=tuple(campaign.left), stray=tuple(campaign.stray))


@dataclass(frozen=True)
class Outcomes:
    """What a campaign came to.

    Attributes:
        results: A result for each drill on each migration.
        left: Names of the drills that could not be done.
        stray: Failures of clients that no drill explains.
    """

    results: tuple[Result, ...]
    left: tuple[str, ...]
    stray: tuple[str, ...]


class Campaign:
    """Drills against one lab that is up.

    Args:
        root: Its state directory.
        wanted: What to do.
        file: Gets the results, while there are more to come.
        small: Whether its disk can be filled.
        say: Prints a line of progress.
    """

    def __init__(
        self, root: Path, wanted: tuple[Drill, ...], file: Path, *, small: bool, say: Callable[[str], None]
    ) -> None:
        """Connect to the lab."""
        self._file = file
        self._state = State(root.resolve())
        os.environ[VARIABLE] = str(self._state.settings_file)
        self._settings: Settings = load(self._state.settings_file)
        os.environ["PREFECT_API_URL"] = self._settings.prefect_api
        from turnout.lab.desk import Desk  # noqa: PLC0415 -- Prefect reads its settings when imported
        from turnout.lab.drills.migrations import Migrations  # noqa: PLC0415
        from turnout.wiring.migrating import Wiring  # noqa: PLC0415

        self._say = say
        self._wiring = Wiring(self._settings)
        for owner in self._wiring.owners.all():
            self._wiring.owners.enrol(owner)
        self._desk = Desk(
            self._wiring.owners, self._wiring.attempts, ui=self._settings.prefect_ui, say=lambda _: None
        )
        self._moves = Migrations(self._wiring, self._desk, _MODELS, say)
        self._processes = Processes(self._state, self._wiring.servers)
        leases = Leases(self._settings.guard_lease_seconds, STEP_LEASE_SECONDS)
        self._leases, self._injector = leases, Injector(self._state, self._processes, leases)
        self._todo: list[Drill] = self._possible(wanted, small=small)
        self._shots: list[Shot] = []
        self._unjudged: list[Shot] = []
        self._results: list[Result] = []
        self._later: dict[Drill, float] = {}
        self._requests = {model: watching.Requests(self._wiring, model) for model in _MODELS}
        self._known: dict[str, frozenset[str]] = {}
        self._stray: list[Request] = []
        self._since = time.time()  # a clock is preloaded by starting Envoy anew, which is no drill

    def run(self) -> list[Result]:
        """Do everything, bring the migrations to their ends, and judge."""
        until = time.monotonic() + max(LEAST_LONGEST_SECONDS, SHARE_SECONDS * len(self._todo))
        with self._desk:
            while self._todo and time.monotonic() < until:
                self._moves.turn(again=True, gate_waits=any(d.stage is Stage.GATE for d in self._todo))
                self._judge([shot for shot in self._unjudged if self._settled(shot)])
                now = [one for one in self._todo if self._later.get(one, 0.0) < time.monotonic()]
                chosen = next_of(now, self._moves.stages())
                if chosen is None:
                    time.sleep(0.3)
                elif not self._drill(*chosen):  # what it hits is not there: others have their turn
                    self._later[chosen[0]] = time.monotonic() + NOT_THERE_SECONDS
            until = time.monotonic() + ENDED_WITHIN_SECONDS
            while not self._moves.idle and time.monotonic() < until:
                self._moves.turn(again=False, gate_waits=False)
                time.sleep(0.5)
        self._wiring.servers.stop("client")
        self._judge(self._unjudged)
        self._stray = [f for model in _MODELS for f in self._unexplained(model)]
        return self._results

    @property
    def left(self) -> list[str]:
        """Drills that there was no time or no occasion for."""
        return [drill.name for drill in self._todo]

    @property
    def stray(self) -> list[str]:
        """Failures of clients outside every drill: nothing explains them."""
        return [f"{one.model} at {one.sent_seconds:.1f}: {one.error}" for one in self._stray]

    def _possible(self, wanted: tuple[Drill, ...], *, small: bool) -> list[Drill]:
        """Leave out what this machine cannot do, and say why."""
        cannot = {}
        if not small:
            cannot[Fault.FULL] = "mounting a small file system takes root and mount(8)"
        if not memory.available():
            cannot[Fault.LEAKING] = "limiting memory takes root and a memory cgroup"
        if {Fault.FORWARD, Fault.BACK} & {d.fault for d in wanted} and not self._preload(wanted):
            cannot |= dict.fromkeys((Fault.FORWARD, Fault.BACK), "needs Debian's libfaketime")
        for fault, why in cannot.items():
            if any(d.fault is fault for d in wanted):
                self._say(f"skipped: {fault}: {why}")
        return [drill for drill in wanted if drill.fault not in cannot]

    def _preload(self, wanted: tuple[Drill, ...]) -> bool:
        """Give the processes whose clock will jump a clock that can, before anything is counted."""
        found = clock.library(environments.cache() / "faketime")
        if found is None:
            return False
        for name in {d.target for d in wanted if d.fault in (Fault.FORWARD, Fault.BACK)}:
            spec = _spec(self._state, name)
            self._wiring.servers.ensure(clock.clocked(spec, self._state, found), ready_within_seconds=120)
        return True

    def _drill(self, drill: Drill, models: tuple[str, ...]) -> bool:
        """Put one fault in and see it through; returns whether it was there to be put in."""
        for one, _ in self._about(drill, models):
            self._learn(one.model)
        about = self._about(drill, models)  # asked again: learning took its time
        if not about or not all(self._is_known(one.model, stage) for one, stage in about):
            return False
        before = {one.model: self._wiring.router.read(one.model) for one, _ in about}
        began = time.time()
        with self._injector.put(drill, tuple(one for one, _ in about)) as done:
            shots = [
                Shot(
                    drill=Drill(drill.fault, drill.target, stage), moving=one, began=began, done=done,
                    lease=self._lease(drill, one.model), known=self._known.get(one.model, frozenset()),
                    log=RouteLog.of(before[one.model], began),
                )
                for one, stage in about
                if done.models is None or one.model in done.models
            ]  # fmt: skip
            if not done.deeds or not shots:
                return False
            self._say(f"{drill.name}: {', '.join(f'{s.moving.attempt} in {s.drill.stage}' for s in shots)}")
            silent = self._watch(drill, shots, done.seconds)
        self._recover(drill, shots, silent)
        for requests in self._requests.values():
            requests.gather()
        self._shots += shots
        self._unjudged += shots
        self._todo = [one for one in self._todo if one not in {shot.drill for shot in shots}]
        return True

    def _about(self, drill: Drill, models: tuple[str, ...]) -> list[tuple[Moving, Stage]]:
        """The migrations that a fault is a drill of, each in its stage; a candidate is one model's."""
        stages, moving = self._moves.stages(), self._moves.moving()
        here = [
            (moving[m], stage) for m, stage in stages.items() if m in moving and exists(drill.target, stage)
        ]
        due = [(one, stage) for one, stage in here if stage is drill.stage and one.model in models]
        return due[-1:] if drill.target in (CANDIDATE, TRITON) or not due else here

    def _lease(self, drill: Drill, model: str) -> float | None:
        if drill.target == RUN and model != SHORT_LEASE_MODEL:
            return None
        return self._leases.of(drill)

    def _learn(self, model: str) -> None:
        """Read the evidence that there is about a model; what was known stays known where MLflow is down."""
        with suppress(TurnoutError):
            self._known[model] = watching.digests(self._wiring, model)

    def _is_known(self, model: str, stage: Stage) -> bool:
        """Whether there is evidence that could be lost; before a proved package there need not be any."""
        return stage in (Stage.BASELINE, Stage.PACKAGE) or bool(self._known.get(model))

    def _watch(self, drill: Drill, shots: list[Shot], seconds: float | None) -> float:
        """Look on while the fault lasts; returns when its servers were last seen not to be ready."""
        until = time.monotonic() + (SENT_BACK_SECONDS if seconds is None else seconds)
        silent = 0.0
        while time.monotonic() < until:
            silent = self._look(drill, shots) or silent
            if seconds is None and all(shot.log.gone(shot.moving.attempt) for shot in shots):
                break
            time.sleep(_LOOK_SECONDS)
        for shot in shots:
            shot.undone = time.time()
        return silent

    def _recover(self, drill: Drill, shots: list[Shot], silent: float) -> None:
        """Wait until everything is ready again, and a moment longer."""
        until = time.monotonic() + READY_AGAIN_SECONDS
        while (silence := watching.not_ready(self._wiring)) and time.monotonic() < until:
            silent = self._look(drill, shots) or silent
            time.sleep(_LOOK_SECONDS)
        calm = time.monotonic() + CALM_SECONDS
        while time.monotonic() < calm:
            self._look(drill, shots)
            time.sleep(_LOOK_SECONDS)
        for shot in shots:
            shot.ended = time.time()
            shot.recovered = f"not ready: {', '.join(silence)}" if silence else ""
            if drill.target in (LEGACY, ENVOY) and drill.fault in (Fault.KILL, Fault.PAUSE):
                back = silent if drill.fault is Fault.KILL else shot.undone
                shot.outage = (shot.began, back + READY_SECONDS)

    def _look(self, drill: Drill, shots: list[Shot]) -> float | None:
        """Look at the routes; returns the time when the servers that were hit are not ready."""
        for shot in shots:
            shot.log.look(self._wiring)
        names = set(server_names(drill.target, [shot.moving for shot in shots]).values())
        return (
            time.time()
            if drill.target in (LEGACY, ENVOY) and watching.not_ready(self._wiring, names)
            else None
        )

    def _settled(self, shot: Shot) -> bool:
        """Whether all is known of a drill: its attempt has ended, and no client waits for an answer."""
        return (
            shot.moving.attempt in self._moves.ends
            and time.time() - max(shot.ended, self._moves.ends[shot.moving.attempt].at_seconds)
            > ANSWERED_WITHIN_SECONDS
        )

    def _judge(self, shots: list[Shot]) -> None:
        """Hold drills against what clients, router and registry know, and keep what came of it."""
        for model in {shot.moving.model for shot in shots}:
            clients = watching.Clients.read(self._wiring, model)
            self._requests[model].gather()
            weights = self._wiring.contract(model).rollout
            allowed = (*weights.steps, weights.final_weight)
            for shot in (shot for shot in shots if shot.moving.model == model):
                seen = shot.observed(
                    clients=clients,
                    records=self._requests[model].records,
                    weights=allowed,
                    evidence=watching.evidence(self._wiring, model, shot.known),
                    end=self._moves.ends.get(shot.moving.attempt),
                    starts=self._moves.starts.get(shot.moving.attempt, 1),
                )
                self._results.append(Result(seen=seen, broken=promises.broken(seen)))
        if shots:
            judged = {id(shot) for shot in shots}
            self._unjudged = [shot for shot in self._unjudged if id(shot) not in judged]
            self._results.sort(key=lambda one: one.seen.deeds[0].at_seconds)
            whole.write(self._file, "".join(f"{one.model_dump_json()}\n" for one in self._results))

    def _unexplained(self, model: str) -> list[Request]:
        """Failures of a model's clients that belong to no drill."""
        failures = watching.Clients.read(self._wiring, model).failures()
        return [
            one
            for one in failures
            if one.sent_seconds > self._since and not any(shot.covers(one) for shot in self._shots)
        ]


def _lay_out(state: State) -> None:
    """The estate with the contracts of the drills: less evidence for a pass, and one short step lease."""
    estate.lay_out(state)
    for model in _MODELS:
        file = state.estate / "contracts" / f"{model}.yaml"
        document = yaml.safe_load(file.read_text())
        document["bounds"] |= {"errors": 0.05, "slow": 0.1, "differs": 0.05}
        document["rollout"] |= {"shadow_samples": 40, "steps": STEPS}
        if model == SHORT_LEASE_MODEL:
            document["rollout"]["step_lease_seconds"] = STEP_LEASE_SECONDS
        whole.write(file, yaml.safe_dump(document, sort_keys=False))


def _spec(state: State, name: str) -> ServerSpec:
    spec = Board(state).spec(name)
    if spec is None:
        raise PermanentError(
            f"server {name}", observed="no spec of it", limit="a lab that is up", remedy="Run: turnout lab up"
        )
    return spec


def _keep_logs(root: Path, folder: Path) -> None:
    shutil.copytree(State(root).log("x").parent, folder, dirs_exist_ok=True)
