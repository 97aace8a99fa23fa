"""A rollback is never undone: rollouts in every interleaving that chance finds, on every router.

Flows, the sentinel, an operator and processes that were stopped long ago work on one route at once. Each is
let go one step at a time: on the files one look or one change is a step, so that a raise stands between any
two of its system calls while the others go on. What is done is decided by `turnout.domain.rollout`.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from tests.unit.router.stepping import Step, Stepped
from tests.unit.router.stored_route import Stored
from turnout.domain import rollout
from turnout.domain.approval import Gate
from turnout.domain.contract import Rollout
from turnout.domain.errors import RefusedError
from turnout.domain.rollout import Act, Position, Stage
from turnout.domain.route import Backend, Opening, Registration, Route, RouteChange, RoutePolicy, Tombstone
from turnout.fabric.gateway_api import deciding, record, rules, writing
from turnout.fabric.gateway_api.place import Place
from turnout.fabric.router import route_document
from turnout.fabric.router.directory import RouteDirectory
from turnout.fabric.router.memory import MemoryRouter
from turnout.fabric.router.standing import Standing, changed, opened

MODEL = "iris"
STABLE = Backend(name="iris-legacy", port=1)
PLAN = Rollout(steps=(0.1, 0.5), final_weight=0.9)
WEIGHTS = (*PLAN.steps, PLAN.final_weight)
LARGEST = {
    frozenset(): 0.0,
    frozenset({Gate.CANARY}): 0.5,
    frozenset({Gate.CANARY, Gate.CUTOVER}): 0.9,
}
"""The largest weight that each set of approved gates allows."""


PAUSES = st.none() | st.integers(0, 8)
"""Steps after which a process is stopped; None: it comes to its end at once."""


class Files:
    """The directory that Envoy follows; what it reads is the document behind `current`."""

    def __init__(self) -> None:
        """Found the model's folder."""
        self._root = tempfile.TemporaryDirectory()
        self._folder = Path(self._root.name) / MODEL
        self._directory().found(_document(Standing(model=MODEL)), {})

    def read(self) -> Route:
        """What the router reads now, and whether it could lead anywhere but to legacy."""
        document = self._directory().document()
        now = route_document.parse(document)
        assert (b"candidate/" in document or b"shielded/" in document) == (now.weight > 0)
        return Route(model=MODEL, version=now.version, stable=STABLE, attempt=now.attempt, weight=now.weight)

    def open(self, attempt: str, step: Step) -> None:
        """Prepare an attempt and make it the live one."""
        directory = self._directory(step)
        directory.prepare(attempt, _document(opened(Standing(model=MODEL), attempt)), {})
        directory.open(attempt)

    def change(self, change: RouteChange, step: Step) -> None:
        """Write a decision."""
        self._directory(step).change(
            change.attempt, lambda old: _document(changed(route_document.parse(old), change))
        )

    def end(self, attempt: str, step: Step) -> None:
        """Roll back."""
        self._directory(step).end(attempt, b"over")

    def close(self) -> None:
        """Clear away."""
        self._root.cleanup()

    def _directory(self, step: Step = lambda _: None) -> RouteDirectory:
        return RouteDirectory(self._folder, lock_seconds=0, step=step)


class Memory:
    """The router of the other tests; one call is one step."""

    def __init__(self) -> None:
        """Register the model."""
        self._router = MemoryRouter()
        self._router.register(Registration(model=MODEL, listen_port=1, stable=STABLE))

    def read(self) -> Route:
        """The route."""
        return self._router.read(MODEL)

    def open(self, attempt: str, step: Step) -> None:
        """Open an attempt."""
        step("open")
        self._router.open(Opening(model=MODEL, attempt=attempt, candidate=Backend(name=attempt, port=2)))

    def change(self, change: RouteChange, step: Step) -> None:
        """Write a decision."""
        step("change")
        self._router.change(change)

    def end(self, attempt: str, step: Step) -> None:
        """Roll back."""
        step("end")
        self._router.roll_back(MODEL, attempt, reason="over", by="test")

    def close(self) -> None:
        """Nothing is left."""


class Objects:
    """The HTTPRoute of a cluster; each call of the API server is a step."""

    def __init__(self) -> None:
        """Register the model."""
        registration = Registration(model=MODEL, listen_port=1, stable=STABLE)
        self._store = Stored(deciding.found(Place("turnout", "front"), registration))

    def read(self) -> Route:
        """The route; its rules lead to the candidate's door if and only if it has a weight."""
        route = self._store.read(MODEL)
        now = record.parse(route).route()
        assert (rules.door_backend(MODEL) in str(route["spec"]["rules"])) == (now.weight > 0)
        return now

    def open(self, attempt: str, step: Step) -> None:
        """Open an attempt."""
        wanted = Opening(model=MODEL, attempt=attempt, candidate=Backend(name=attempt, port=2))
        writing.write(self._store.seen_by(step), MODEL, lambda now: deciding.opening(now, wanted))

    def change(self, change: RouteChange, step: Step) -> None:
        """Write a decision."""
        writing.write(self._store.seen_by(step), MODEL, lambda now: deciding.change(now, change))

    def end(self, attempt: str, step: Step) -> None:
        """Roll back."""
        over = Tombstone(model=MODEL, attempt=attempt, reason="over", by="test", at_seconds=0.0)
        writing.end(self._store.seen_by(step), over)

    def close(self) -> None:
        """Nothing is left."""


def _document(standing: Standing) -> bytes:
    return route_document.render(standing, legacy=RoutePolicy(), candidate=RoutePolicy())


class Rollouts(RuleBasedStateMachine):
    """One model, its attempts one after the other, and whoever has a hand in them."""

    processes = Bundle("processes")
    made_by: type[Files] | type[Memory] | type[Objects] = Files

    def __init__(self) -> None:
        """Begin with everything on legacy."""
        super().__init__()
        self.router = self.made_by()
        self.position = Position("iris-1", PLAN)
        self.all: list[Stepped] = []
        self.ends: list[tuple[Stepped, str]] = []
        self.over: set[str] = set()
        self.largest: dict[str, float] = {}
        self.seen: dict[str | None, float] = {}

    # -- the flow: finds out where it stands, does what is to be done

    @initialize(
        stage=st.sampled_from([Stage.PREPARED, Stage.SHADOW, Stage.STEP, Stage.PROVEN]), twice=st.booleans()
    )
    def a_rollout_is_under_way(self, stage, twice):
        """Begin anywhere, so that chance does not spend its steps on the way there.

        Twice: at each weight another flow had decided the same, and was stopped before it wrote.
        """
        if stage is Stage.PREPARED:
            return
        self.a_flow_does_what_is_next()
        self.the_owner_approves_what_is_asked()
        weights = {Stage.SHADOW: (), Stage.STEP: (0.1,), Stage.PROVEN: (0.1, 0.5)}[stage]
        for weight in weights:
            if twice:
                self.a_flow_does_what_is_next(pause=0)
            self.a_flow_does_what_is_next()
            if stage is Stage.PROVEN:
                self.the_sentinel_passes_the_weight()
            assert self.router.read().weight == weight

    @rule(target=processes, pause=PAUSES)
    def a_flow_does_what_is_next(self, pause=None):
        """Also the first time, again from its start, and beside another flow that does the same."""
        here = self._found()
        action = rollout.to_do(here)
        if action.act is Act.OPEN:
            return self._starts(lambda step: self.router.open(here.attempt, step), pause)
        if action.act is Act.RAISE and action.weight is not None:
            return self._raising(here, action.weight, pause)
        return multiple()

    @rule(target=processes, pause=PAUSES)
    def a_flow_lets_its_weight_stand(self, pause):
        """A renewed lease is a write like another, and brings nothing back."""
        here = self._found()
        if here.stage in (Stage.PREPARED, Stage.ENDED):
            return multiple()
        wanted = rollout.change(self.router.read(), here.attempt, None, 60.0)
        if wanted is None:
            return multiple()
        return self._starts(lambda step: self.router.change(wanted, step), pause)

    # -- the owner and the sentinel

    @precondition(lambda self: rollout.to_do(self._found()).act is Act.ASK)
    @rule()
    def the_owner_approves_what_is_asked(self):
        """An owner answers the gate that is open."""
        gate = rollout.to_do(self._found()).gate
        assert gate is not None
        self.position = rollout.approved(self._found(), gate)

    @precondition(lambda self: self._found().stage in (Stage.STEP, Stage.ASKING))
    @rule()
    def the_sentinel_passes_the_weight(self):
        """A pass, for the weight that the router reports."""
        self.position = rollout.passed(self._found(), self.router.read().weight)

    @precondition(lambda self: self._found().stage is Stage.STEP)
    @rule()
    def the_step_is_late(self):
        """Not enough evidence: neither passes nor ends."""
        before = self._found()
        self.position = rollout.late(before, before.weight)
        assert self.position == replace(before, stage=Stage.ASKING)

    # -- the way back, by whoever

    @precondition(lambda self: self._found().stage is not Stage.PREPARED)
    @rule(target=processes, by=st.sampled_from(["sentinel", "on call", "step lease", "owner"]), pause=PAUSES)
    def somebody_rolls_back(self, by, pause):
        """Begins a rollback of the attempt of the day; it may be stopped half-way."""
        attempt = self.position.attempt
        self.position = rollout.ended(self._found(), by)
        ending = self._starts(lambda step: self.router.end(attempt, step), pause)
        self.ends.append((ending, attempt))
        return ending

    @rule(target=processes, pause=st.integers(0, 8), renew=st.booleans())
    def a_rollback_overtakes_a_write(self, pause, renew):
        """What the flow does next, or a renewed lease, is on its way when the attempt is ended."""
        act = self.a_flow_lets_its_weight_stand if renew else self.a_flow_does_what_is_next
        writing = act(pause=pause)
        if isinstance(writing, Stepped):
            self.somebody_rolls_back("on call", pause=None)
        return writing

    @precondition(lambda self: self.position.stage is Stage.ENDED)
    @rule()
    def a_new_attempt_begins(self):
        """Only by a new run, behind its own gates."""
        _, _, number = self.position.attempt.partition("-")
        self.position = Position(f"{MODEL}-{int(number) + 1}", PLAN)

    # -- processes are stopped and go on as chance has it

    @rule(process=processes, steps=st.integers(1, 8))
    def a_process_takes_steps(self, process, steps):
        """It goes on for a while and is stopped again, with whatever lock it holds."""
        for _ in range(steps):
            process.advance()

    @rule(process=processes)
    def a_process_comes_to_its_end(self, process):
        """Long stopped or not: it wakes up and writes what it had decided."""
        process.finish()

    # -- what holds at every moment

    @invariant()
    def what_is_over_gets_nothing(self):
        """After a rollback has returned, no document that the router reads names that attempt."""
        self.over |= {attempt for ending, attempt in self.ends if ending.done}
        now = self.router.read()
        assert now.attempt not in self.over
        assert now.attempt is not None or now.weight == 0

    @invariant()
    def no_weight_without_approval(self):
        """Never more than the approved gate's largest, nor than leaves legacy its control share."""
        here, now = self._found(), self.router.read()
        assert now.weight <= 0.95
        if now.attempt is not None:
            assert now.weight <= self.largest.get(now.attempt, 0.0)
        for weight in WEIGHTS:
            if weight > LARGEST[here.approved - {Gate.EXTEND}]:
                with pytest.raises(RefusedError):
                    rollout.raised(here, weight)

    @invariant()
    def no_late_raise_lowers_a_weight(self):
        """A weight that was decided long ago takes nothing from a larger one."""
        now = self.router.read()
        assert now.weight >= self.seen.get(now.attempt, 0.0)
        self.seen[now.attempt] = now.weight

    def teardown(self):
        """Everybody wakes up at last, the newest first, and what holds at every moment holds still."""
        for process in reversed(self.all):
            process.finish()
            self.what_is_over_gets_nothing()
            self.no_weight_without_approval()
            self.no_late_raise_lowers_a_weight()
        self.router.close()

    def _starts(self, work, pause) -> Stepped:
        process = Stepped(work)
        self.all.append(process)
        for _ in range(pause or 0):
            process.advance()
        if pause is None:
            process.finish()
        return process

    def _found(self) -> Position:
        """Where the attempt stands, found out as a flow does that begins from its start."""
        here = self.position
        found = rollout.located(
            self.router.read(),
            PLAN,
            attempt=here.attempt,
            approved=here.approved,
            passed=here.passed,
            asking=here.stage is Stage.ASKING,
            ended_by=here.ended_by,
        )
        self.largest[here.attempt] = LARGEST[here.approved - {Gate.EXTEND}]
        return found

    def _raising(self, here: Position, weight: float, pause: int | None) -> Stepped:
        rollout.raised(here, weight)  # refused before anything is written
        wanted = rollout.change(self.router.read(), here.attempt, weight, 60.0)
        assert wanted is not None
        return self._starts(lambda step: self.router.change(wanted, step), pause)


class MemoryRollouts(Rollouts):
    """The same on the memory router."""

    made_by = Memory


class ObjectRollouts(Rollouts):
    """The same on the HTTPRoutes of a cluster."""

    made_by = Objects


_MANY = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestOnFiles = Rollouts.TestCase
TestOnFiles.settings = _MANY
TestInMemory = MemoryRollouts.TestCase
TestInMemory.settings = _MANY
TestOnObjects = ObjectRollouts.TestCase
TestOnObjects.settings = _MANY
