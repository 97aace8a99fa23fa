from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.domain import rollout
from turnout.domain.approval import Gate
from turnout.domain.contract import Rollout
from turnout.domain.errors import RefusedError
from turnout.domain.rollout import Act, Action, Position, Stage, to_do
from turnout.domain.route import Backend, Route

PLAN = Rollout(steps=(0.1, 0.25, 0.5), final_weight=0.9)
BOTH = frozenset({Gate.CANARY, Gate.CUTOVER})
HERE = Position("iris-1", PLAN)


def route(weight=0.0, attempt="iris-1"):
    """A route as the router reports it."""
    return Route(
        model="iris", version="7", stable=Backend(name="legacy", port=1), attempt=attempt, weight=weight
    )


def found(weight=0.0, *, attempt="iris-1", approved=frozenset({Gate.CANARY}), passed=(), **more):
    """Where an attempt is found."""
    facts = {"asking": False, "ended_by": None, **more}
    return rollout.located(
        route(weight, attempt), PLAN, attempt="iris-1", approved=approved, passed=frozenset(passed), **facts
    )


def test_a_rollout_goes_through_its_stages_in_order():
    """Opened, asked, each step raised and passed, asked, raised to the full share: nothing is skipped."""
    done = []
    here = HERE
    while (action := to_do(here)).act is not Act.NOTHING:
        done.append(action)
        match action.act:
            case Act.OPEN:
                here = rollout.opened(here)
            case Act.ASK:
                here = rollout.approved(here, action.gate)
            case Act.RAISE:
                here = rollout.raised(here, action.weight)
            case _:
                here = rollout.passed(here, action.weight)
    steps = [Action(act, weight=w) for w in PLAN.steps for act in (Act.RAISE, Act.AWAIT)]
    gates = [Action(Act.ASK, gate=gate) for gate in (Gate.CANARY, Gate.CUTOVER)]
    assert done == [Action(Act.OPEN), gates[0], *steps, gates[1], Action(Act.RAISE, weight=0.9)]
    assert (here.stage, here.weight) == (Stage.FULL, 0.9)


@given(weight=st.sampled_from([0.0, *PLAN.steps, 0.9]), by=st.text(min_size=1), data=st.data())
def test_nothing_leads_out_of_the_end(weight, by, data):
    """Whatever is said to an attempt that is over, it stays over, at weight 0, in the first one's words."""
    over = rollout.ended(found(weight, approved=BOTH), by)
    said = data.draw(
        st.sampled_from(
            [
                lambda at: rollout.approved(at, Gate.CUTOVER),
                lambda at: rollout.passed(at, weight),
                lambda at: rollout.late(at, weight),
                lambda at: rollout.ended(at, "another"),
            ]
        )
    )
    assert said(over) == over
    assert (over.stage, over.weight, over.ended_by) == (Stage.ENDED, 0.0, by)
    for act in (rollout.opened, lambda at: rollout.raised(at, 0.1)):
        with pytest.raises(RefusedError, match="ended"):
            act(over)


@given(st.floats(0, 0.95))
def test_no_step_above_the_weight_is_skipped_and_none_below_is_repeated(weight):
    """A canary that was killed goes on from the step that it stood at."""
    assert found(weight).next_step == next((step for step in PLAN.steps if step >= weight - 1e-9), None)


def test_a_pass_counts_for_the_weight_that_it_was_shown_under():
    """Having passed at one weight proves nothing about the next, nor a pass that comes late."""
    here = found(0.25, passed=[0.1])
    assert rollout.passed(here, 0.1) == here
    assert to_do(rollout.passed(here, 0.25)) == Action(Act.RAISE, weight=0.5)


def test_too_little_evidence_asks_the_owner_and_moves_nothing():
    """A late step stands where it is; more time takes it on, and a pass meanwhile counts."""
    asking = rollout.late(found(0.1), 0.1)
    assert (asking.stage, asking.weight, asking.passed) == (Stage.ASKING, 0.1, frozenset())
    assert to_do(asking) == Action(Act.ASK, gate=Gate.EXTEND)
    assert to_do(rollout.approved(asking, Gate.EXTEND)) == Action(Act.AWAIT, weight=0.1)
    assert to_do(rollout.passed(asking, 0.1)) == Action(Act.RAISE, weight=0.25)
    assert rollout.late(asking, 0.25) == asking


def test_more_time_is_no_approval_of_a_weight():
    """The owner's word at one gate reaches no further than that gate."""
    assert rollout.largest(PLAN, frozenset()) == 0.0
    assert rollout.largest(PLAN, frozenset({Gate.EXTEND})) == 0.0
    assert rollout.largest(PLAN, frozenset({Gate.CANARY})) == 0.5
    assert rollout.largest(PLAN, BOTH) == 0.9
    with pytest.raises(RefusedError, match=r"at most 0\.5"):
        rollout.raised(found(0.5), 0.9)
    with pytest.raises(RefusedError, match=r"at most 0\.9"):
        rollout.require_permitted(PLAN, Gate.CUTOVER, "iris-1", 0.95)


@pytest.mark.parametrize(
    ("here", "stage"),
    [
        (found(attempt=None), Stage.PREPARED),
        (found(0.5, attempt="iris-2"), Stage.PREPARED),
        (found(), Stage.SHADOW),
        (found(0.25, passed=[0.1]), Stage.STEP),
        (found(0.25, passed=[0.1], asking=True), Stage.ASKING),
        (found(0.5, passed=PLAN.steps), Stage.PROVEN),
        (found(0.9, passed=PLAN.steps, approved=BOTH), Stage.FULL),
        (found(0.9, passed=PLAN.steps, approved=BOTH, ended_by="sentinel"), Stage.ENDED),
    ],
)
def test_a_place_is_found_again_from_what_is_known(here, stage):
    """A flow that begins from its start, on any machine, finds where its attempt stands."""
    assert here.stage is stage


def test_a_weight_that_lacks_a_pass_below_it_is_its_owners_to_decide():
    """A weight that somebody set by hand leaves steps behind that can no longer be passed."""
    assert to_do(found(0.9, approved=frozenset({Gate.CANARY}))) == Action(Act.ASK, gate=Gate.EXTEND)


def test_a_write_names_its_attempt_and_what_it_was_decided_on():
    """It never lowers a weight, renews no lease where there is no weight, and acts for no other attempt."""
    up = rollout.change(route(0.1), "iris-1", 0.25, 60)
    assert (up.attempt, up.read_version, up.weight, up.step_lease_seconds) == ("iris-1", "7", 0.25, 60)
    assert rollout.change(route(0.5), "iris-1", 0.25, 60).weight is None
    assert rollout.change(route(0.5), "iris-1", 0.25, None) is None
    assert rollout.change(route(0.0), "iris-1", None, 60) is None
    with pytest.raises(RefusedError, match="live attempt of iris is iris-2"):
        rollout.change(route(0.1, "iris-2"), "iris-1", 0.25, 60)


def test_a_raise_never_lowers():
    """A smaller weight is already reached; a raise of an attempt that is not live is refused."""
    here = found(0.5)
    assert rollout.raised(here, 0.25) == here
    with pytest.raises(RefusedError):
        rollout.raised(replace(here, stage=Stage.PREPARED, weight=0.0), 0.1)
