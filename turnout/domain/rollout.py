"""The rollout of one attempt: its named stages, what may happen in each, and what is to be done then.

    prepared -> shadow -> step -> ... -> proven -> full
                           | ^
                           v |
                          asking          any of them -> ended

Pure: a flow finds out where an attempt stands (`located`), does what `to_do` says, and tells what came of it
(`opened`, `approved`, `raised`, `passed`, `late`, `ended`). Nothing leads out of `ended`: going again is a
new attempt. What is refused here is refused before the router is asked; the router's own fence
(docs/adr/0001) holds against everything that comes late. Called by `tasks.weight` and `flows.canary`.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NoReturn

from turnout.domain.approval import Gate
from turnout.domain.canary import same_weight
from turnout.domain.contract import Rollout
from turnout.domain.errors import RefusedError
from turnout.domain.route import Route, RouteChange


class Stage(StrEnum):
    """Where an attempt stands."""

    PREPARED = "prepared"
    """The router does not send it anything yet, or does not know it."""
    SHADOW = "shadow"
    """Live at weight 0: it gets copies of requests, and no client waits for it."""
    STEP = "step"
    """At a weight of the canary, under judgement."""
    ASKING = "asking"
    """At a weight of the canary that lacks evidence for too long; its owner is asked, the weight stays."""
    PROVEN = "proven"
    """Every step is passed; its owner is asked for the full share, the weight stays."""
    FULL = "full"
    """At its final weight, under guard."""
    ENDED = "ended"
    """Everything is on legacy, and no write changes that."""


class Act(StrEnum):
    """What is to be done next, by whoever moves the attempt."""

    OPEN = "open"
    ASK = "ask"
    RAISE = "raise"
    AWAIT = "await"
    CLEAR_AWAY = "clear away"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do.

    Attributes:
        act: What.
        gate: The gate to ask at.
        weight: The weight to raise to, or to wait at.
    """

    act: Act
    gate: Gate | None = None
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where one attempt stands.

    Attributes:
        attempt: The attempt.
        plan: How its weight is to rise.
        stage: Its stage.
        weight: Candidate's share, in [0, 1].
        approved: Gates that its owner has approved, over the evidence that stands.
        passed: Weights of the canary that are passed.
        ended_by: Whose word ended it.
    """

    attempt: str
    plan: Rollout
    stage: Stage = Stage.PREPARED
    weight: float = 0.0
    approved: frozenset[Gate] = frozenset()
    passed: frozenset[float] = frozenset()
    ended_by: str | None = None

    @property
    def next_step(self) -> float | None:
        """The step to be passed next: the lowest one that is not, at the present weight or above."""
        open_steps = (step for step in self.plan.steps if not _among(step, self.passed))
        return next((s for s in open_steps if s > self.weight or same_weight(s, self.weight)), None)

    @property
    def all_passed(self) -> bool:
        """Whether every step of the canary is passed."""
        return all(_among(step, self.passed) for step in self.plan.steps)


def located(
    route: Route,
    plan: Rollout,
    *,
    attempt: str,
    approved: frozenset[Gate],
    passed: frozenset[float],
    asking: bool,
    ended_by: str | None,
) -> Position:
    """Find an attempt's place from what is known of it: also after a crash, and on another machine.

    Args:
        route: The model's route as the router reports it.
        plan: From the contract.
        attempt: The attempt.
        approved: Gates approved over the evidence that stands.
        passed: Steps with a recorded pass.
        asking: Whether its owner is being asked for more time.
        ended_by: Whose word ended it; None while it may live.
    """
    known = Position(attempt, plan, approved=approved, passed=passed, ended_by=ended_by)
    if ended_by is not None:
        return replace(known, stage=Stage.ENDED)
    if route.attempt != attempt:
        return known
    here = replace(known, weight=route.weight)
    return replace(here, stage=_stage(here, asking=asking))


def _stage(here: Position, *, asking: bool) -> Stage:
    if same_weight(here.weight, 0.0):
        return Stage.SHADOW
    if Gate.CUTOVER in here.approved and here.weight >= here.plan.final_weight:
        return Stage.FULL
    if here.all_passed:
        return Stage.PROVEN
    return Stage.ASKING if asking else Stage.STEP


_WHATEVER_ELSE = {
    Stage.PREPARED: Action(Act.OPEN),
    Stage.ASKING: Action(Act.ASK, gate=Gate.EXTEND),
    Stage.FULL: Action(Act.NOTHING),
    Stage.ENDED: Action(Act.CLEAR_AWAY),
}
"""What is to be done in a stage, whatever else is known."""


def to_do(here: Position) -> Action:
    """What whoever moves the attempt does next, however it came here."""
    if here.stage in _WHATEVER_ELSE:
        return _WHATEVER_ELSE[here.stage]
    if here.stage is Stage.PROVEN:
        return _behind(here, Gate.CUTOVER, Action(Act.RAISE, weight=here.plan.final_weight))
    return _behind(here, Gate.CANARY, _towards(here))


def _behind(here: Position, gate: Gate, action: Action) -> Action:
    """An action that a gate has to let through first."""
    return action if gate in here.approved else Action(Act.ASK, gate=gate)


def _towards(here: Position) -> Action:
    """To the next step. One below the weight that has no pass cannot be made up for: its owner decides."""
    step = here.next_step
    if step is None:
        return Action(Act.ASK, gate=Gate.EXTEND)
    return Action(Act.AWAIT if same_weight(step, here.weight) else Act.RAISE, weight=step)


def opened(here: Position) -> Position:
    """The router knows the candidate, at weight 0.

    Raises:
        RefusedError: The attempt has ended.
    """
    if here.stage is Stage.PREPARED:
        return replace(here, stage=Stage.SHADOW)
    return here if here.stage is not Stage.ENDED else _refuse(here, "open")


def approved(here: Position, gate: Gate) -> Position:
    """The owner has approved a gate; the word counts where it was asked for and changes nothing elsewhere."""
    if here.stage is Stage.ENDED:
        return here
    stage = Stage.STEP if (here.stage, gate) == (Stage.ASKING, Gate.EXTEND) else here.stage
    return replace(here, approved=here.approved | {gate}, stage=stage)


def largest(plan: Rollout, gates: frozenset[Gate]) -> float:
    """The largest weight that approved gates allow: none, the last step, or the final weight."""
    if Gate.CUTOVER in gates:
        return max(plan.final_weight, *plan.steps)
    return max(plan.steps) if Gate.CANARY in gates else 0.0


def require_permitted(plan: Rollout, gate: Gate, attempt: str, weight: float) -> None:
    """Refuse a weight that the approval of a gate does not reach.

    Raises:
        RefusedError: It is larger than that gate's largest.
    """
    limit = largest(plan, frozenset({gate}))
    if weight > limit and not same_weight(weight, limit):
        raise RefusedError(
            f"{gate} of {attempt}",
            observed=f"weight {weight:g}",
            limit=f"at most {limit:g}",
            remedy="The cutover takes it further, after its own gate."
            if gate is not Gate.CUTOVER
            else "Correct final_weight in the contract; legacy keeps the rest as the control.",
        )


def raised(here: Position, weight: float) -> Position:
    """The router reports a weight that was asked for. A raise never lowers it.

    Raises:
        RefusedError: The attempt is not live, or nobody approved so much.
    """
    if here.stage in (Stage.PREPARED, Stage.ENDED):
        _refuse(here, "raise")
    if weight < here.weight or same_weight(weight, here.weight):
        return here
    gate = Gate.CUTOVER if Gate.CUTOVER in here.approved else Gate.CANARY
    if gate not in here.approved:
        _refuse(here, "raise")
    require_permitted(here.plan, gate, here.attempt, weight)
    there = replace(here, weight=weight)
    return replace(there, stage=_stage(there, asking=False))


def passed(here: Position, weight: float) -> Position:
    """The sentinel has shown a weight to be good; counts for the weight that it was shown under alone."""
    if here.stage not in (Stage.STEP, Stage.ASKING) or not same_weight(here.weight, weight):
        return here
    there = replace(here, passed=here.passed | {weight})
    return replace(there, stage=_stage(there, asking=False))


def late(here: Position, weight: float) -> Position:
    """A weight lacks evidence for too long: neither good nor bad. It stands, and the owner is asked."""
    at_step = here.stage is Stage.STEP and same_weight(here.weight, weight)
    return replace(here, stage=Stage.ASKING) if at_step else here


def ended(here: Position, by: str) -> Position:
    """A breach, a lease that ran out, a person or the flow ended it. The first word stands."""
    if here.stage is Stage.ENDED:
        return here
    return replace(here, stage=Stage.ENDED, weight=0.0, ended_by=by)


def change(
    route: Route, attempt: str, weight: float | None, lease_seconds: float | None
) -> RouteChange | None:
    """The write that brings a route to a weight, or lets its weight stand longer; None where there is none.

    It names the attempt and the state that it was decided on, and never lowers a weight.

    Raises:
        RefusedError: The attempt is not the live one.
    """
    if route.attempt != attempt:
        raise RefusedError(
            attempt,
            observed=f"the live attempt of {route.model} is {route.attempt or 'none'}",
            limit="the live attempt",
            remedy="Start a new attempt: run migrate with again=true.",
        )
    up = weight if weight is not None and weight > route.weight else None
    if up is None and (lease_seconds is None or same_weight(route.weight, 0.0)):
        return None
    return RouteChange(
        model=route.model,
        attempt=attempt,
        read_version=route.version,
        weight=up,
        step_lease_seconds=lease_seconds,
    )


def _among(step: float, weights: frozenset[float]) -> bool:
    return any(same_weight(step, weight) for weight in weights)


def _refuse(here: Position, what: str) -> NoReturn:
    raise RefusedError(
        f"{what} {here.attempt}",
        observed=f"it is {here.stage}{f' (by {here.ended_by})' if here.ended_by else ''}",
        limit="a live attempt whose owner has approved it",
        remedy="Answer its gate; after an end, run migrate with again=true.",
    )
