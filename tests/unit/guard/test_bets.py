import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.domain.guard.bets import (
    Terms,
    answers_agree,
    answers_differ,
    beside_legacy,
    blocks_not_worse,
    blocks_worse,
    fast_enough,
    first_fast_enough,
    not_worse,
    rescued,
    rescued_bound,
)
from turnout.domain.guard.bounds import GuardBounds
from turnout.domain.guard.events import Event
from turnout.domain.guard.layout import layout_of

FRACTIONS = np.array([0.98, 0.5, 0.02])
SHARE = st.floats(0.001, 0.999)
CHANCE = st.floats(0, 1)
RATIO = st.floats(1, 5)
NEARLY = 1 + 1e-9


def request_mean(factors, *, weight, candidate, legacy):
    """Expected factor of one request that the router sends to the candidate with the chance `weight`."""
    one = np.zeros_like(FRACTIONS)
    grow = {event: np.exp(factors.get(event, one)) for event in Event}
    on_candidate = candidate * grow[Event.CANDIDATE_FAILED] + (1 - candidate) * grow[Event.CANDIDATE_ANSWERED]
    on_legacy = legacy * grow[Event.LEGACY_FAILED] + (1 - legacy)
    return weight * on_candidate + (1 - weight) * on_legacy


@given(weight=SHARE, bound=SHARE, ratio=RATIO, legacy=CHANCE, share=CHANCE)
def test_breach_expects_no_gain_from_a_candidate_within_its_bounds(weight, bound, ratio, legacy, share):
    """Whatever legacy's own rate is, a candidate at `p_c <= m + rho*p_l` gives no bet an expected gain."""
    candidate = share * min(1, bound + ratio * legacy)
    factors = beside_legacy(Terms(weight, bound, ratio), FRACTIONS)
    assert (request_mean(factors, weight=weight, candidate=candidate, legacy=legacy) <= NEARLY).all()


@given(weight=SHARE, bound=SHARE, ratio=RATIO, legacy=CHANCE, share=CHANCE)
def test_pass_expects_no_gain_from_a_candidate_beyond_its_bounds(weight, bound, ratio, legacy, share):
    """A candidate at `p_c >= m + rho*p_l` gives the opposite bets no gain in expectation."""
    edge = bound + ratio * legacy
    if edge > 1:
        legacy, edge = (1 - bound) / ratio, 1.0
    candidate = edge + share * (1 - edge)
    factors = not_worse(Terms(weight, bound, ratio), FRACTIONS)
    assert (request_mean(factors, weight=weight, candidate=candidate, legacy=legacy) <= NEARLY).all()


@given(bound=SHARE, ratio=RATIO, legacy=CHANCE, share=CHANCE)
def test_rescued_requests_expect_no_gain_where_failures_coincide_by_chance(bound, ratio, legacy, share):
    """Over all base rates, the chance of a rescue under the null stays within what is bet against."""
    chance = share * min(1, bound + ratio * legacy) * (1 - legacy)
    grow = {event: np.exp(factor) for event, factor in rescued(Terms(0.5, bound, ratio), FRACTIONS).items()}
    mean = chance * grow[Event.RESCUED] + (1 - chance) * grow[Event.UNRESCUED]
    assert (mean <= NEARLY).all()


def test_rescued_bound_at_the_defaults():
    """The number that the statistics give: 0.317 at m = 1 % and rho = 1.25."""
    assert rescued_bound(0.01, 1.25) == pytest.approx(0.3175, abs=5e-4)


@given(bound=SHARE, ratio=RATIO, old=CHANCE, share=CHANCE, together=CHANCE)
def test_paired_bets_expect_no_gain_under_their_nulls(bound, ratio, old, share, together):
    """However the differences of the new and of the second old answer coincide."""
    new = share * min(1, bound + ratio * old)
    both = max(0.0, new + old - 1) + together * (min(new, old) - max(0.0, new + old - 1))
    chances = {
        Event.BOTH_DIFFER: both,
        Event.NEW_DIFFERS: new - both,
        Event.OLD_DIFFERS: old - both,
        Event.NEITHER_DIFFERS: 1 - new - old + both,
    }
    bets = answers_differ if new <= bound + ratio * old else answers_agree
    grow = bets(Terms(0.5, bound, ratio), FRACTIONS)
    assert (sum(chance * np.exp(grow[event]) for event, chance in chances.items()) <= NEARLY).all()


@given(bound=SHARE, ratio=RATIO, old=CHANCE)
def test_agreement_expects_no_gain_from_answers_that_differ_too_often(bound, ratio, old):
    """At the edge of `P(D_new) >= m + rho*P(D_old)` the pass bets have no gain."""
    new = bound + ratio * old
    if new > 1:
        old, new = (1 - bound) / ratio, 1.0
    grow = answers_agree(Terms(0.5, bound, ratio), FRACTIONS)
    both = new * old
    mean = (
        both * np.exp(grow[Event.BOTH_DIFFER])
        + (new - both) * np.exp(grow[Event.NEW_DIFFERS])
        + (old - both) * np.exp(grow[Event.OLD_DIFFERS])
        + (1 - new - old + both) * np.exp(grow[Event.NEITHER_DIFFERS])
    )
    assert (mean <= NEARLY).all()


@given(bound=SHARE, ratio=RATIO, slow=CHANCE)
def test_fast_enough_expects_no_gain_from_a_slow_candidate(bound, ratio, slow):
    """A candidate whose answers are slow more often than m gives no bet a gain."""
    slow = bound + slow * (1 - bound)
    grow = fast_enough(Terms(0.5, bound, ratio), FRACTIONS)
    mean = slow * np.exp(grow[Event.CANDIDATE_SLOW]) + (1 - slow) * np.exp(grow[Event.CANDIDATE_FAST])
    assert (mean <= NEARLY).all()
    first = first_fast_enough(Terms(0.5, bound, ratio), FRACTIONS)
    assert np.array_equal(first[Event.CANDIDATE_FIRST_SLOW], grow[Event.CANDIDATE_SLOW])
    assert np.array_equal(first[Event.CANDIDATE_FIRST_FAST], grow[Event.CANDIDATE_FAST])


@given(bound=SHARE, ratio=RATIO, candidate=CHANCE, legacy=CHANCE)
def test_no_block_ruins_a_bet(bound, ratio, candidate, legacy):
    """The factor of a block stays positive for every pair of slow shares, both ways."""
    excess = candidate - ratio * legacy - bound
    terms = Terms(0.5, bound, ratio)
    assert (1 + blocks_worse(terms, FRACTIONS) * excess > 0).all()
    assert (1 + blocks_not_worse(terms, FRACTIONS) * excess > 0).all()


@given(bound=SHARE, ratio=RATIO, legacy=CHANCE, together=CHANCE)
def test_blocks_expect_no_gain_at_the_edge(bound, ratio, legacy, together):
    """Whole-block pauses of either arm, however they coincide: no gain at `E[y_c] = m + rho*E[y_l]`."""
    candidate = bound + ratio * legacy
    if candidate > 1:
        legacy, candidate = (1 - bound) / ratio, 1.0
    lowest = max(0.0, candidate + legacy - 1)
    both = lowest + together * (min(candidate, legacy) - lowest)
    chances = {(1, 1): both, (1, 0): candidate - both, (0, 1): legacy - both}
    chances[0, 0] = 1 - sum(chances.values())
    for bet in (blocks_worse, blocks_not_worse):
        stake = bet(Terms(0.5, bound, ratio), FRACTIONS)
        mean = sum(chance * (1 + stake * (c - ratio * o - bound)) for (c, o), chance in chances.items())
        assert (mean <= NEARLY).all()


@pytest.mark.parametrize("signal", ["errors", "slow", "first_token", "differs"])
def test_every_signal_has_bets_for_both_verdicts(signal):
    """The bets above are all there are: each signal's breach and pass tests are made of them."""
    bounds = GuardBounds(((signal, 0.05),))
    known = {beside_legacy, rescued, not_worse, fast_enough, first_fast_enough, answers_differ, answers_agree}
    known |= {blocks_worse, blocks_not_worse}
    for _, family in layout_of(bounds).families:
        assert (family.log_factors or family.block_stake) in known
        assert max(family.fractions) < 1
    assert np.exp(layout_of(bounds).log_prior).sum() == pytest.approx(2.0)
