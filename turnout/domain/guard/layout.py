"""How the wealths of all bets lie in one vector, so that a look costs a few array calls."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from turnout.domain.guard.bets import (
    Family,
    Floats,
    Terms,
    answers_agree,
    answers_differ,
    beside_legacy,
    blocks_not_worse,
    blocks_worse,
    even,
    fast_enough,
    first_fast_enough,
    not_worse,
    rescued,
)
from turnout.domain.guard.block import BLOCK_SIGNALS
from turnout.domain.guard.bounds import SIGNALS, GuardBounds
from turnout.domain.guard.events import Event

_WIDE = (0.95, 0.65, 0.4, 0.22, 0.11, 0.05, 0.02)
# Twice as much on the largest stake, which catches a dead candidate; mild harm takes minutes in any case.
# Rescues matter at weights beyond a half only. Both chosen by simulation (bench/detection.py).
_QUICK = (0.1875, *even(_WIDE[1:], 0.5625))
_PASS = (0.98, 0.78, 0.5, 0.2)
# With no bad event at all, no test can pass before ln(limit)/-ln(1 - m) requests. These priors need 10 % more
# (m = 2 %, 3 signals at alpha 0.05: 223 requests of the candidate for 203), and 12 to 20 % more than the best
# single stake, chosen with hindsight, after one to five bad events.
_PASS_PRIOR = (0.66, 0.16, 0.1, 0.08)

_BREACH: dict[str, tuple[Family, ...]] = {
    "errors": (
        Family(_WIDE, _QUICK, beside_legacy),
        Family((0.95, 0.6, 0.3), (0.125, 0.0625, 0.0625), rescued),
    ),
    "slow": (Family(_WIDE[:5], even(_WIDE[:5]), block_stake=blocks_worse),),
    "first_token": (Family(_WIDE[:5], even(_WIDE[:5]), block_stake=blocks_worse),),
    "differs": (Family(_WIDE, even(_WIDE), answers_differ),),
}
_PASSES: dict[str, tuple[Family, ...]] = {
    "errors": (Family(_PASS, _PASS_PRIOR, not_worse),),
    "slow": (
        Family(_PASS, tuple(0.75 * share for share in _PASS_PRIOR), fast_enough),
        Family(_PASS, tuple(0.25 * share for share in _PASS_PRIOR), block_stake=blocks_not_worse),
    ),
    "first_token": (
        Family(_PASS, tuple(0.75 * share for share in _PASS_PRIOR), first_fast_enough),
        Family(_PASS, tuple(0.25 * share for share in _PASS_PRIOR), block_stake=blocks_not_worse),
    ),
    "differs": (Family(_PASS, _PASS_PRIOR, answers_agree),),
}


@dataclass(frozen=True)
class Layout:
    """Where each signal's wealths lie: first all breach tests by signal, then all pass tests by signal.

    Attributes:
        signals: Guarded signals, in the order of the bounds.
        bounds: Tolerated share m of each signal.
        families: Families of bets in the order of the vector, each with its signal's index.
        breach: Part of the vector of each signal's breach tests.
        edges: Where each group begins; for sums over groups.
        passing: Part of the vector of all pass tests.
        log_prior: Log share of the wealth on each bet, at its start.
        signal_of_breach: Which of `SIGNALS` each breach bet is of.
    """

    signals: tuple[str, ...]
    bounds: tuple[float, ...]
    families: tuple[tuple[int, Family], ...]
    breach: dict[str, slice]
    edges: NDArray[np.intp]
    passing: slice
    log_prior: Floats
    signal_of_breach: NDArray[np.intp]

    @property
    def size(self) -> int:
        """Number of wealths."""
        return len(self.log_prior)


@lru_cache(maxsize=256)
def layout_of(bounds: GuardBounds) -> Layout:
    """Lay out the wealths of the guarded signals."""
    signals = tuple(name for name, _ in bounds.limits)
    groups = [(i, side[name]) for side in (_BREACH, _PASSES) for i, name in enumerate(signals)]
    sizes = [sum(len(family.prior) for family in group) for _, group in groups]
    edges = np.cumsum([0, *sizes])
    families = tuple((i, family) for i, group in groups for family in group)
    log_prior = np.log(np.concatenate([family.prior for _, family in families]))
    return Layout(
        signals=signals,
        bounds=tuple(limit for _, limit in bounds.limits),
        families=families,
        breach={name: slice(int(edges[i]), int(edges[i + 1])) for i, name in enumerate(signals)},
        edges=edges[:-1],
        passing=slice(int(edges[len(signals)]), int(edges[-1])),
        log_prior=log_prior,
        signal_of_breach=np.repeat([SIGNALS.index(name) for name in signals], sizes[: len(signals)]),
    )


@lru_cache(maxsize=4096)
def log_factors(bounds: GuardBounds, weight: float) -> tuple[NDArray[np.intp], Floats]:
    """Events that any bet is placed on, and the log factor of one of each (rows) on each wealth (columns).

    Computed once for each weight.
    """
    layout = layout_of(bounds)
    columns = [np.zeros((len(Event), len(family.prior))) for _, family in layout.families]
    for column, (i, family) in zip(columns, layout.families, strict=True):
        if family.log_factors is not None:
            terms = Terms(weight=weight, bound=layout.bounds[i], ratio=bounds.ratio)
            for event, factors in family.log_factors(terms, np.array(family.fractions)).items():
                column[event] = factors
    factors = np.hstack(columns)
    used = np.flatnonzero(factors.any(axis=1))
    return used, factors[used]


@lru_cache(maxsize=256)
def block_stakes(bounds: GuardBounds) -> Floats:
    """Stake of each wealth (columns) on a block's excesses (rows: `BLOCK_SIGNALS`); 0 on other signals'."""
    layout = layout_of(bounds)
    columns = [np.zeros((len(BLOCK_SIGNALS), len(family.prior))) for _, family in layout.families]
    for column, (i, family) in zip(columns, layout.families, strict=True):
        if family.block_stake is not None:
            terms = Terms(weight=0.5, bound=layout.bounds[i], ratio=bounds.ratio)
            stake = family.block_stake(terms, np.array(family.fractions))
            column[BLOCK_SIGNALS.index(layout.signals[i])] = stake
    return np.hstack(columns)
