r"""The bets against "the candidate is no worse" (breach) and against "it is worse" (pass).

Let w be the weight at a request's start, m the tolerated share, rho the tolerated ratio, p_c and p_l the
chance of a bad event on either arm given the past. Each family below gives, for a grid of stakes lambda, the
log of the factor by which one event multiplies the wealth; its expectation is at most 1 under its null, so
the wealth is a supermartingale and reaches 1/alpha with a probability of at most alpha (Ville's inequality),
however often one looks. A grid's stakes are fixed fractions of the largest one allowed, so that they follow
the weight, which is chosen from the past.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turnout.domain.guard.events import Event

Floats = NDArray[np.float64]

ZERO_BOUND_RESOLUTION = 0.01
"""No number of equal answers shows a share of exactly zero. A signal bounded at 0 passes once a share of this
size is excluded; it fails at the first difference all the same."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What one request is held to.

    Attributes:
        weight: Candidate's weight w.
        bound: Tolerated share m.
        ratio: Tolerated ratio rho.
    """

    weight: float
    bound: float
    ratio: float


@dataclass(frozen=True)
class Family:
    """Bets of one shape over a grid of stakes.

    Attributes:
        fractions: Stakes as fractions, below 1, of the largest one allowed.
        prior: Share of the signal's wealth put on each stake.
        log_factors: Log factors of one event, by event, for each stake; absent where it bets on blocks.
        block_stake: Stakes on the excess `y_c - rho*y_l - m` of a block; absent where it bets on requests.
    """

    fractions: tuple[float, ...]
    prior: tuple[float, ...]
    log_factors: Callable[[Terms, Floats], dict[Event, Floats]] | None = None
    block_stake: Callable[[Terms, Floats], Floats] | None = None


def even(fractions: tuple[float, ...], share: float = 1.0) -> tuple[float, ...]:
    """Spread a share of the wealth evenly over a grid."""
    return (share / len(fractions),) * len(fractions)


def beside_legacy(terms: Terms, fractions: Floats) -> dict[Event, Floats]:
    """Breach: a failure on the candidate wins, one on legacy loses.

    `w*(1 + lambda*(p_c - m)) + (1 - w)*(1 - kappa*p_l) = 1 + w*lambda*(p_c - m - rho*p_l) <= 1` under the
    null with `kappa = rho*w*lambda/(1 - w)`, whatever p_l is: drift and shared incidents cost nothing.
    """
    stake = fractions * min(1 / terms.bound, (1 - terms.weight) / (terms.ratio * terms.weight))
    return {
        Event.CANDIDATE_FAILED: np.log1p(stake * (1 - terms.bound)),
        Event.CANDIDATE_ANSWERED: np.log1p(-stake * terms.bound),
        Event.LEGACY_FAILED: np.log1p(-_kappa(terms, stake)),
    }


def rescued_bound(bound: float, ratio: float) -> float:
    """Largest chance of "the candidate failed, legacy answered" under the null.

    The sup over p of `min(1, m + rho*p) * (1 - p)`, if shared trouble makes failures coincide at least as
    often as chance: at the vertex of the parabola, or where the candidate's own chance reaches 1.
    """
    chance = min((ratio - bound) / (2 * ratio), (1 - bound) / ratio)
    return (bound + ratio * chance) * (1 - chance)


def rescued(terms: Terms, fractions: Floats) -> dict[Event, Floats]:
    """Breach: a request that legacy had to answer in the candidate's place wins. It needs no control arm."""
    bound = rescued_bound(terms.bound, terms.ratio)
    stake = fractions / bound
    return {Event.RESCUED: np.log1p(stake * (1 - bound)), Event.UNRESCUED: np.log1p(-stake * bound)}


def not_worse(terms: Terms, fractions: Floats) -> dict[Event, Floats]:
    """Pass: the opposite bet, against `p_c >= m + rho*p_l` at each request given the past."""
    stake = fractions / (1 - terms.bound)
    return {
        Event.CANDIDATE_FAILED: np.log1p(-stake * (1 - terms.bound)),
        Event.CANDIDATE_ANSWERED: np.log1p(stake * terms.bound),
        Event.LEGACY_FAILED: np.log1p(_kappa(terms, stake)),
    }


def first_fast_enough(terms: Terms, fractions: Floats) -> dict[Event, Floats]:
    """Pass of the first-token signal, request by request: `fast_enough` of first bytes."""
    factors = fast_enough(terms, fractions)
    return {
        Event.CANDIDATE_FIRST_SLOW: factors[Event.CANDIDATE_SLOW],
        Event.CANDIDATE_FIRST_FAST: factors[Event.CANDIDATE_FAST],
    }


def fast_enough(terms: Terms, fractions: Floats) -> dict[Event, Floats]:
    """Pass of the slow signal, request by request, against `p_c >= m` alone.

    `p_c >= m + rho*p_l` implies `p_c >= m`, so this is valid against the same null. It gives no credit for
    slow requests of legacy, because one pause of legacy would win dozens at once, which the router did not
    randomise; candidates beside a slow legacy are left to `blocks_not_worse`. What it says is that the
    candidate's chance of a slow answer was not above m all along; pauses too rare to have come up in this
    step stay the business of the breach test, which goes on through every later one.
    """
    stake = fractions / (1 - terms.bound)
    return {
        Event.CANDIDATE_SLOW: np.log1p(-stake * (1 - terms.bound)),
        Event.CANDIDATE_FAST: np.log1p(stake * terms.bound),
    }


def blocks_worse(terms: Terms, fractions: Floats) -> Floats:
    """Breach of a slow signal: `1 + lambda*(y_c - rho*y_l - m)` a block, lambda below 1/(rho + m)."""
    return fractions / (terms.ratio + terms.bound)


def blocks_not_worse(terms: Terms, fractions: Floats) -> Floats:
    """Pass of a slow signal: the opposite bet; the excess is at most 1 - m, so lambda < 1/(1 - m)."""
    return -fractions / (1 - terms.bound)


def answers_differ(terms: Terms, fractions: Floats) -> dict[Event, Floats]:
    """Breach: `1 + lambda*(D_new - rho*D_old - m)` for each replay, lambda below 1/(rho + m)."""
    return _paired(terms.bound, terms.ratio, fractions / (terms.ratio + terms.bound))


def answers_agree(terms: Terms, fractions: Floats) -> dict[Event, Floats]:
    """Pass: the opposite paired bet, against `P(D_new) >= m + rho*P(D_old)`, lambda below 1/(1 - m)."""
    bound = terms.bound or ZERO_BOUND_RESOLUTION
    return _paired(bound, terms.ratio, -fractions / (1 - bound))


def _kappa(terms: Terms, stake: Floats) -> Floats:
    return terms.ratio * terms.weight * stake / (1 - terms.weight)


def _paired(bound: float, ratio: float, stake: Floats) -> dict[Event, Floats]:
    return {
        Event.NEITHER_DIFFERS: np.log1p(-stake * bound),
        Event.OLD_DIFFERS: np.log1p(-stake * (ratio + bound)),
        Event.NEW_DIFFERS: np.log1p(stake * (1 - bound)),
        Event.BOTH_DIFFER: np.log1p(stake * (1 - ratio - bound)),
    }
