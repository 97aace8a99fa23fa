"""Many rollouts at once through the guard's own recursion, so that chances can be counted in a unit test."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy.stats import binom

from turnout.domain.guard.bounds import GuardBounds
from turnout.domain.guard.events import Event
from turnout.domain.guard.layout import layout_of
from turnout.domain.guard.starts import NEVER, Starts, log_share
from turnout.domain.guard.wealth import opening, step, totals

CERTAIN = 1e-6
"""Chance that a guard that keeps its promise fails one of these tests (with the fixed seeds: none does)."""


def most_alarms(runs: int, alpha: float) -> int:
    """The most alarms that chance explains where each run alarms with a probability of alpha."""
    return int(binom.ppf(1 - CERTAIN, runs, alpha))


@dataclass
class Rollouts:
    """Rollouts at 20 requests a second, a look a second.

    Each of the callables takes the second; `weight` also takes the running log wealth of the breach tests,
    shape (runs,), so that it can be chosen from the past.
    """

    bounds: GuardBounds
    legacy: Callable[[int], float]
    candidate: Callable[[int], float]
    weight: Callable[[int], float] = field(default=lambda _second: 0.1)
    rate: float = 20.0
    runs: int = 300
    seed: int = 1

    def first_seconds(self, *, seconds: int, group: int = 0) -> np.ndarray:
        """First second at which a group of tests (0: breach, 1: pass) is decided; infinite if never."""
        random = np.random.default_rng(self.seed)
        wealth = np.tile(opening(self.bounds), (self.runs, 1))
        found = np.full(self.runs, math.inf)
        passing = layout_of(self.bounds).passing
        before = self.weight(0)
        for second in range(seconds):
            weight = self.weight(second)
            if weight != before:
                wealth[:, passing] = layout_of(self.bounds).log_prior[passing]
            events = self._events(second, weight, random)
            share = log_share(self.bounds, second, 1.0) if second else NEVER
            wealth = step(self.bounds, wealth, events, weight=weight, starts=Starts(errors=share))
            before = weight
            reached = totals(self.bounds, wealth)[:, group] >= self.bounds.log_limit
            found[reached & np.isinf(found)] = second
        return found

    def _events(self, second: int, weight: float, random: np.random.Generator) -> np.ndarray:
        bad_legacy, bad_candidate = self.legacy(second), self.candidate(second)
        candidate = random.poisson(self.rate * weight, self.runs)
        failed = random.binomial(candidate, bad_candidate)
        rescued = random.binomial(failed, 1 - bad_legacy)
        events = np.zeros((self.runs, len(Event)))
        events[:, Event.CANDIDATE_FAILED] = failed
        events[:, Event.CANDIDATE_ANSWERED] = candidate - failed
        legacy = random.poisson(self.rate * (1 - weight), self.runs)
        events[:, Event.LEGACY_FAILED] = random.binomial(legacy, bad_legacy)
        events[:, Event.RESCUED] = rescued
        events[:, Event.UNRESCUED] = candidate - rescued
        return events


@pytest.fixture
def rollouts():
    """The simulation."""
    return Rollouts


@pytest.fixture
def alarms_allowed():
    """The most alarms that chance explains."""
    return most_alarms
