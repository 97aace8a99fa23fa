"""Canary: raise the candidate's weight step by step."""

from prefect import flow

from flows.pages import show
from tasks.canary import await_step, conclude, raise_weight
from tasks.hold import wait_while_held
from tasks.position import position
from tasks.weight import over
from turnout.domain.canary import StepCourse
from turnout.domain.errors import RefusedError
from turnout.domain.evidence import Evidence
from turnout.domain.rollout import Position, Stage, ended, late, passed, raised, to_do


@flow(name="canary", flow_run_name="canary {attempt}", log_prints=True)
def canary(model: str, attempt: str) -> Evidence:
    """Take an approved candidate through the canary's steps; goes on from the step that it is at.

    Args:
        model: The model.
        attempt: The attempt, MODEL-N.

    Raises:
        RefusedError: Nobody approved it; started alone, this phase gets nowhere.
    """
    here = position(model, attempt)
    while (weight := _wanted(here)) is not None:
        here = _step(here, model, weight)
    evidence = conclude(model, attempt, here.stage)
    show(evidence)
    return evidence


def _wanted(here: Position) -> float | None:
    """The weight that is to be passed next, or None: what comes next is not the canary's."""
    if here.stage in (Stage.PREPARED, Stage.SHADOW):
        return here.next_step  # raising refuses by itself what is not live or not approved
    return to_do(here).weight if here.stage is Stage.STEP else None


def _step(here: Position, model: str, weight: float) -> Position:
    wait_while_held(model, here.attempt)
    try:
        here = raised(here, raise_weight(model, here.attempt, weight))
    except RefusedError:
        if over(model, here.attempt):
            return ended(here, "somebody")
        raise
    match await_step(model, here.attempt, here.weight):
        case StepCourse.PASSED:
            return passed(here, here.weight)
        case StepCourse.LATE:
            return late(here, here.weight)
        case _:
            return ended(here, "somebody")
