"""The promises of the guard, counted over simulated rollouts, with the margin of `alarms_allowed`."""

import math

import numpy as np
import pytest

from turnout.domain.guard.bounds import GuardBounds
from turnout.domain.guard.events import Event
from turnout.domain.guard.layout import layout_of
from turnout.domain.guard.starts import NEVER, Starts, log_share
from turnout.domain.guard.wealth import opening, step, totals

ALPHA = 0.2
"""Larger than anyone would choose: a broken promise shows in a few hundred runs."""

ERRORS = GuardBounds(limits=(("errors", 0.01),), alpha=ALPHA)
SLOW = GuardBounds(limits=(("slow", 0.05),), alpha=ALPHA)
DIFFERS = GuardBounds(limits=(("differs", 0.01),), alpha=ALPHA)
TABLE = GuardBounds(limits=(("errors", 0.01),), alpha=0.05 / 4)
"""As in the table of the statistics: one of four guards that share alpha 0.05."""

HOUR = 3600


def always(value):
    """Return the same at each second."""
    return lambda _second: value


@pytest.mark.parametrize("legacy", [0.0, 0.0001, 0.01, 0.1, 0.6])
@pytest.mark.parametrize("weight", [0.1, 0.5, 0.95])
def test_false_alarms_at_the_edge_of_the_null(rollouts, alarms_allowed, legacy, weight):
    """A candidate exactly at `m + rho*p_l` is convicted in at most alpha of all rollouts."""
    world = rollouts(ERRORS, always(legacy), always(0.01 + 1.25 * legacy), always(weight), runs=150)
    alarms = np.isfinite(world.first_seconds(seconds=900)).sum()
    assert alarms <= alarms_allowed(150, ALPHA)


def incident(second):
    """Legacy's chance of failing: 30 % for two minutes, else 0.5 %."""
    return 0.3 if 300 <= second < 420 else 0.005


def drifting(second):
    """Legacy's chance of failing: between 0.5 % and 20 %, up and down within minutes."""
    return 0.1 + 0.095 * math.sin(second / 40)


@pytest.mark.parametrize("legacy", [incident, drifting])
def test_shared_trouble_convicts_nobody(rollouts, alarms_allowed, legacy):
    """Trouble that both arms share, the candidate 1.2 times as bad, convicts it as rarely as promised."""
    world = rollouts(TABLE, legacy, lambda s: 1.2 * legacy(s), always(0.1))
    alarms = np.isfinite(world.first_seconds(seconds=HOUR // 2)).sum()
    assert alarms <= alarms_allowed(300, TABLE.alpha)


def test_false_alarms_under_weights_that_change(rollouts, alarms_allowed):
    """Weights that rise and fall every few seconds change nothing about the promise."""
    weights = (0.05, 0.1, 0.5, 0.25, 0.95, 0.5)
    world = rollouts(
        ERRORS, drifting, lambda s: 0.01 + 1.25 * drifting(s), lambda s: weights[s // 7 % len(weights)]
    )
    alarms = np.isfinite(world.first_seconds(seconds=1200)).sum()
    assert alarms <= alarms_allowed(300, ALPHA)


@pytest.mark.parametrize(("legacy", "weight"), [(0.0, 0.1), (0.01, 0.5), (0.1, 0.2), (0.5, 0.9)])
def test_false_passes_at_the_edge(rollouts, alarms_allowed, legacy, weight):
    """A candidate at the edge of "worse" passes in at most alpha of all steps."""
    world = rollouts(ERRORS, always(legacy), always(0.01 + 1.25 * legacy), always(weight))
    passes = np.isfinite(world.first_seconds(seconds=900, group=1)).sum()
    assert passes <= alarms_allowed(300, ALPHA)


@pytest.mark.parametrize(
    ("weight", "rate", "fails", "table"),
    [(0.1, 20, 0.1, 38), (0.1, 20, 0.3, 9), (0.1, 20, 1.0, 2.5), (0.5, 20, 0.05, 69), (0.5, 20, 0.3, 6),
     (0.95, 20, 0.3, 42), (0.95, 20, 1.0, 1), (0.5, 20, 1.0, 1)],
)  # fmt: skip
def test_power_from_the_start(rollouts, weight, rate, fails, table):
    """Median seconds to detection are those of the table, within the simulation's own 15 % and a look."""
    world = rollouts(TABLE, always(0.005), always(fails), always(weight), rate=rate, runs=200)
    assert np.median(world.first_seconds(seconds=int(table * 5) + 5) + 1) <= table * 1.15 + 1


@pytest.mark.parametrize(
    ("weight", "fails", "table"), [(0.1, 0.3, 18), (0.1, 1.0, 5), (0.5, 0.3, 12), (0.5, 1.0, 2)]
)
def test_power_after_health(rollouts, weight, fails, table):
    """A candidate that turns bad after half an hour of health is convicted in the table's time."""
    healthy = HOUR // 2
    world = rollouts(
        TABLE, always(0.005), lambda s: fails if s >= healthy else 0.005, always(weight), runs=150
    )
    found = world.first_seconds(seconds=healthy + 120) + 1 - healthy
    assert (found > 0).all()
    assert np.median(found) <= table * 1.15 + 1


def test_a_candidate_no_worse_than_legacy_passes(rollouts):
    """At w = 0.5 and 20 requests a second, a candidate as good as legacy passes within two minutes."""
    world = rollouts(ERRORS, always(0.001), always(0.001), always(0.5))
    assert np.median(world.first_seconds(seconds=300, group=1)) <= 120


def blocks(bounds, random, *, runs, number, candidate, legacy):
    """Breaches and passes over blocks in which an arm pauses whole, with the given chances."""
    wealth = np.tile(opening(bounds), (runs, 1))
    decided = np.zeros((runs, 2), dtype=bool)
    none = np.zeros((runs, len(Event)))
    for block in range(number):
        excess = (random.random(runs) < candidate) - 1.25 * (random.random(runs) < legacy) - 0.05
        wealth = step(
            bounds,
            wealth,
            none,
            weight=0.2,
            starts=Starts(slow=log_share(bounds, 5.0 * block, 5.0) if block else NEVER),
            excess=np.stack([excess, 0 * excess], axis=-1),
        )
        decided |= totals(bounds, wealth) >= bounds.log_limit
    return decided.sum(axis=0)


@pytest.mark.parametrize("legacy", [0.0, 0.05, 0.3])
def test_pauses_of_whole_blocks(alarms_allowed, legacy):
    """Arms that pause for whole blocks at the null's edge breach or pass in at most alpha of all each."""
    random = np.random.default_rng(5)
    decided = blocks(SLOW, random, runs=300, number=720, candidate=0.05 + 1.25 * legacy, legacy=legacy)
    assert (decided <= alarms_allowed(300, ALPHA)).all()


@pytest.mark.parametrize("floor", [0.0, 0.02, 0.2])
def test_differing_answers_at_the_edge_of_the_noise(alarms_allowed, floor):
    """Answers at the edge of what the noise floor tolerates breach or pass in at most alpha of all each."""
    random, runs = np.random.default_rng(6), 300
    wealth = np.tile(opening(DIFFERS), (runs, 1))
    decided = np.zeros((runs, 2), dtype=bool)
    chances = np.outer([1 - floor, floor], [0.99 - 1.25 * floor, 0.01 + 1.25 * floor]).ravel()
    for look in range(900):
        neither, new_only, old_only, both = random.multinomial(10, chances, size=runs).T
        events = np.zeros((runs, len(Event)))
        events[:, Event.NEITHER_DIFFERS :] = np.stack([neither, old_only, new_only, both], axis=1)
        wealth = step(
            DIFFERS,
            wealth,
            events,
            weight=0.5,
            starts=Starts(differs=log_share(DIFFERS, look, 1.0) if look else NEVER),
        )
        decided |= totals(DIFFERS, wealth) >= DIFFERS.log_limit
    assert (decided.sum(axis=0) <= alarms_allowed(runs, ALPHA)).all()


def test_the_wealth_of_all_starts_together_is_one():
    """Over the horizon no more is given out than there is, however long the looks are."""
    breach = layout_of(ERRORS).breach["errors"]
    first = np.exp(opening(ERRORS)[breach]).sum()
    for seconds in (0.25, 1.0, 7.0):
        looks = np.arange(1, ERRORS.horizon_seconds / seconds)
        later = sum(math.exp(log_share(ERRORS, look * seconds, seconds)) for look in looks)
        assert 0.9 <= first + later <= 1.0 + 1e-9
