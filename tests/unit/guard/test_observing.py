import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.domain.contract import Bounds
from turnout.domain.errors import InvalidInputError
from turnout.domain.guard import (
    SIGNALS,
    GuardBounds,
    GuardState,
    begin,
    begin_step,
    judge,
    observe,
    observe_each,
)
from turnout.domain.looks import ArmCounts, Look, Pairs

BOUNDS = GuardBounds.of(Bounds())
ALL = GuardBounds.of(Bounds(first_token=0.05, first_token_seconds=0.2))
HEALTHY = Look(0.2, ArmCounts(16), ArmCounts(4, rescued=0), pairs=Pairs(neither=10))
DEAD = Look(0.2, ArmCounts(16), ArmCounts(4, errors=4, rescued=4), pairs=Pairs(neither=10))


def watched(looks, bounds=BOUNDS):
    """The state after some looks."""
    state = begin(bounds)
    for look in looks:
        state = observe(state, bounds, look)
    return state


@st.composite
def arms(draw):
    """Counts of one arm."""
    requests = draw(st.integers(0, 30))
    errors = draw(st.integers(0, requests))
    rescued = draw(st.none() | st.integers(0, errors))
    first = draw(st.none() | st.integers(0, requests))
    return ArmCounts(requests, errors, draw(st.integers(0, requests)), rescued, first)


LOOKS = st.lists(
    st.builds(
        Look,
        weight=st.sampled_from([0.05, 0.1, 0.5, 0.95]),
        legacy=arms(),
        candidate=arms(),
        pairs=st.builds(Pairs, *[st.integers(0, 5)] * 4),
    ),
    max_size=20,
)


@given(looks=LOOKS, data=st.data())
@settings(deadline=None, max_examples=40)
def test_saved_and_restored_mid_way_it_is_the_same_bit_for_bit(looks, data):
    """A guard that is saved, killed and restored at any look goes on to the same wealth and verdict."""
    cut = data.draw(st.integers(0, len(looks)))
    whole = watched(looks, ALL)
    state = GuardState.from_json(watched(looks[:cut], ALL).to_json())
    for look in looks[cut:]:
        state = observe(state, ALL, look)
    assert state.log_wealth.tobytes() == whole.log_wealth.tobytes()
    assert state.to_json() == whole.to_json()
    assert judge(state, ALL) == judge(whole, ALL)


@given(looks=LOOKS)
@settings(deadline=None, max_examples=40)
def test_an_observed_state_is_never_changed(looks):
    """States are facts: observing makes a new one."""
    state = begin(BOUNDS)
    before = state.to_json()
    for look in looks:
        observe(state, BOUNDS, look)
    assert state.to_json() == before


@given(looks=LOOKS)
@settings(deadline=None, max_examples=40)
def test_wealth_is_always_a_number(looks):
    """No counts make the evidence infinite or undefined."""
    assert np.isfinite(watched(looks, ALL).log_wealth).all()


def test_a_dead_candidate_breaches_within_seconds():
    """Four failures a second at weight 0.2 are a breach at the second look."""
    state = watched([DEAD, DEAD])
    verdict = judge(state, BOUNDS)
    assert (verdict.kind, verdict.signal) == ("breach", "errors")
    assert verdict.evidence["errors"]["log_wealth"] >= verdict.evidence["errors"]["log_limit"]


def test_a_breach_stays():
    """No health afterwards takes a breach back."""
    assert judge(watched([DEAD] * 3 + [HEALTHY] * 2000), BOUNDS).kind == "breach"


def test_a_breach_comes_before_a_pass():
    """A candidate that has passed and then fails is a breach, not a pass."""
    state = watched([HEALTHY] * 130)
    assert judge(state, BOUNDS).kind == "pass"
    for _ in range(6):
        state = observe(state, BOUNDS, DEAD)
    assert judge(state, BOUNDS).kind == "breach"


@pytest.mark.parametrize(("bound", "weight", "candidate"), [(0.02, 0.2, 4), (0.02, 0.5, 10), (0.01, 0.2, 4)])
def test_a_pass_needs_little_more_than_any_test_would(bound, weight, candidate):
    """No test passes before ln(3/alpha)/-ln(1 - m) requests without bad events; the guard needs 12 % more."""
    bounds = GuardBounds.of(Bounds(errors=bound))
    state, looks = begin(bounds), 0
    while "errors" not in state.passed:
        state = observe(
            state, bounds, Look(weight, ArmCounts(20 - candidate), ArmCounts(candidate, rescued=0))
        )
        looks += 1
    fewest = math.log(3 / 0.05) / -math.log(1 - bound)
    assert fewest <= looks * candidate <= 1.12 * fewest + candidate


def test_a_pass_needs_every_signal():
    """Errors and slowness alone are not enough where answers are compared too."""
    state = watched([replace(HEALTHY, pairs=Pairs())] * 400)
    assert state.passed == ("errors", "slow")
    assert judge(state, BOUNDS).kind == "undecided"


def test_nothing_seen_is_undecided():
    """Looks without requests prove nothing either way, however many."""
    state = watched([Look(0.2, ArmCounts(), ArmCounts())] * 500)
    assert judge(state, BOUNDS).kind == "undecided"


def test_a_new_weight_begins_a_new_step():
    """Having passed at 10 % proves nothing at 50 %; what spoke for a breach is kept."""
    passed = watched([HEALTHY] * 200)
    raised = observe(passed, BOUNDS, replace(HEALTHY, weight=0.5))
    assert judge(passed, BOUNDS).kind == "pass"
    assert judge(raised, BOUNDS).kind == "undecided"
    assert raised.step_looks == 1
    assert raised.looks == 201


def test_a_step_can_be_begun_by_hand():
    """Pass evidence is gone, breach evidence to the last bit is not."""
    state = watched([HEALTHY] * 200)
    again = begin_step(state, BOUNDS)
    evidence, before = judge(again, BOUNDS).evidence, judge(state, BOUNDS).evidence
    assert again.passed == ()
    assert all(evidence[name]["pass_log_wealth"] == pytest.approx(0.0) for name in evidence)
    assert all(evidence[name]["log_wealth"] == before[name]["log_wealth"] for name in evidence)


@pytest.mark.parametrize("pairs", [Pairs(new_only=1), Pairs(both=1, neither=100)])
def test_where_no_difference_is_tolerated_the_first_one_fails(pairs):
    """A bound of 0 is a rule of its own."""
    bounds = GuardBounds(limits=(("differs", 0.0),))
    assert judge(watched([HEALTHY, replace(HEALTHY, pairs=pairs)], bounds), bounds).signal == "differs"


def test_where_no_difference_is_tolerated_equal_answers_still_pass():
    """No number of equal answers shows a share of zero; a share of 1 % excluded lets it go on."""
    bounds = GuardBounds(limits=(("differs", 0.0),))
    assert judge(watched([HEALTHY] * 20, bounds), bounds).kind == "undecided"
    assert judge(watched([HEALTHY] * 40, bounds), bounds).kind == "pass"


def test_legacys_own_noise_excuses_as_much_of_the_candidate():
    """Answers that differ no more often than legacy from itself are no breach."""
    noisy = replace(HEALTHY, pairs=Pairs(neither=8, old_only=1, new_only=1))
    assert judge(watched([noisy] * 500), BOUNDS).kind != "breach"


def test_one_pause_is_no_breach_of_slowness():
    """A pause of the candidate as long as a block, in which everything is slow, is one bet."""
    paused = replace(HEALTHY, candidate=ArmCounts(4, slow=4, rescued=0))
    assert judge(watched([HEALTHY] * 60 + [paused] * 5 + [HEALTHY] * 60), BOUNDS).kind != "breach"


def test_lasting_slowness_is_a_breach():
    """A candidate whose every answer is slow goes back within two minutes."""
    slow = replace(HEALTHY, candidate=ArmCounts(4, slow=4, rescued=0))
    assert judge(watched([slow] * 120), BOUNDS).signal == "slow"


TIMED = replace(HEALTHY, legacy=ArmCounts(16, slow_first=0), candidate=ArmCounts(4, rescued=0, slow_first=0))
LATE = replace(TIMED, candidate=ArmCounts(4, rescued=0, slow_first=4))


def test_lasting_lateness_of_first_tokens_is_a_breach_of_its_own():
    """First tokens that are always late convict as slowness does, and are not called slowness."""
    assert judge(watched([LATE] * 120, ALL), ALL).signal == "first_token"
    assert judge(watched([TIMED] * 30 + [LATE] * 5 + [TIMED] * 30, ALL), ALL).kind != "breach"


def test_first_tokens_pass_only_where_they_are_timed():
    """What is guarded and not counted stays undecided, and gives no verdict either way."""
    assert judge(watched([TIMED] * 200, ALL), ALL).kind == "pass"
    untimed = watched([HEALTHY] * 200, ALL)
    assert judge(untimed, ALL).kind == "undecided"
    assert judge(untimed, ALL).evidence["first_token"]["log_wealth"] < 0


def test_a_pause_of_legacy_passes_nobody():
    """One pause of the control arm is not evidence for a candidate that is slow at the bound."""
    both = Look(0.2, ArmCounts(16, slow=16), ArmCounts(4, slow=0, rescued=0), seconds=1)
    bounds = GuardBounds(limits=(("slow", 0.05),))
    assert judge(watched([both] * 5, bounds), bounds).kind == "undecided"


def test_the_slow_block_is_given_up_when_the_weight_changes():
    """Shares of one block never mix two weights."""
    slow = replace(HEALTHY, candidate=ArmCounts(4, slow=4, rescued=0))
    state = watched([slow] * 4)
    assert observe(state, BOUNDS, replace(HEALTHY, weight=0.5)).tally.block.candidate_slow == 0


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_a_candidate_without_a_control_is_refused(weight):
    """Requests of the candidate under a weight that leaves one arm nothing cannot be judged."""
    with pytest.raises(InvalidInputError, match="weight"):
        observe(begin(BOUNDS), BOUNDS, replace(HEALTHY, weight=weight))


def test_replays_count_before_the_candidate_has_any_weight():
    """In the shadow phase only answers are compared."""
    shadow = Look(0.0, ArmCounts(20, errors=3), ArmCounts(), pairs=Pairs(neither=10))
    state = watched([shadow] * 60)
    assert state.passed == ("differs",)
    assert state.looks == 0


@pytest.mark.parametrize(
    "broken",
    [{"limits": ()}, {"limits": (("errors", 0.0),)}, {"limits": (("warmth", 0.1),)},
     {"limits": (("errors", 0.1), ("errors", 0.2))}, {"limits": (("errors", math.nan),)},
     {"alpha": 0.0}, {"alpha": math.nan}, {"ratio": 0.5}, {"ratio": math.inf}, {"pause_seconds": 0.0},
     {"horizon_seconds": 0}],
)  # fmt: skip
def test_bounds_that_no_guard_can_hold_are_refused(broken):
    """A wrong bound is an error at once, never a guard that cannot fail."""
    with pytest.raises(InvalidInputError):
        GuardBounds(**{"limits": (("errors", 0.01),), **broken})


def test_a_state_of_another_version_is_not_read():
    """Wealth on other bets looks alike and means something else: it is refused."""
    written = begin(BOUNDS).to_json()
    for foreign in (written.replace('"format": ', '"format": 9'), written.replace('"format"', '"form"')):
        assert foreign != written
        with pytest.raises(InvalidInputError, match="format"):
            GuardState.from_json(foreign)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"log_wealth": [0.0]}', "null"])
def test_a_broken_record_is_not_a_state(text):
    """A torn or foreign record is an error, never a guard that begins anew."""
    with pytest.raises(InvalidInputError):
        GuardState.from_json(text)


@given(looks=LOOKS, data=st.data())
@settings(deadline=None, max_examples=40)
def test_many_looks_at_once_are_the_same_bit_for_bit(looks, data):
    """However looks are cut into batches, each state is the one that they give one at a time."""
    state, one_by_one = begin(ALL), []
    for look in looks:
        state = observe(state, ALL, look)
        one_by_one.append(state.to_json())
    state, batched, rest = begin(ALL), [], looks
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        batch, rest = rest[:size], rest[size:]
        states = observe_each(state, ALL, batch)
        batched += [one.to_json() for one in states]
        state = states[-1]
    assert batched == one_by_one


@given(signals=st.sets(st.sampled_from(SIGNALS), min_size=1), alpha=st.floats(0.001, 0.5))
def test_alpha_is_split_evenly_over_the_signals(signals, alpha):
    """The limits' chances add up to alpha, whichever signals are guarded."""
    bounds = GuardBounds(tuple((name, 0.05) for name in sorted(signals)), alpha=alpha)
    assert len(signals) * math.exp(-bounds.log_limit) == pytest.approx(alpha)
    assert np.exp(begin(bounds).log_wealth).sum() < 2 * len(signals)


@given(weight=st.floats(0.05, 0.95), good=st.integers(0, 20), failed=st.integers(0, 1))
def test_too_few_requests_never_decide(weight, good, failed):
    """One failure among a handful of requests neither convicts nor passes, at any weight."""
    look = Look(weight, ArmCounts(good), ArmCounts(good + failed, errors=failed, rescued=failed))
    assert judge(watched([look]), BOUNDS).kind == "undecided"


@given(looks=LOOKS, at=st.floats(0, 1e9))
@settings(deadline=None, max_examples=20)
def test_wealth_depends_on_the_counts_alone(looks, at):
    """When a look was made, and what its requests were, changes nothing but by its counts."""
    moved = [replace(look, at_seconds=at) for look in looks]
    assert watched(moved, ALL).to_json() == watched(looks, ALL).to_json()
