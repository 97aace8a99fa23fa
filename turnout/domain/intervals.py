"""Intervals to show people: valid at every moment one looks, so a report may be read while a rollout runs.

Reports show these, never a bare point, and say what they assume. The guard does not use them: it needs no
steady rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import betaln, xlog1py, xlogy

from turnout.domain.errors import InvalidInputError

STEADY = "one rate that does not drift; requests independent of each other"
STEADY_RANKS = "one distribution that does not drift; requests independent of each other"
STEADY_MEAN = "values within their range, with the same mean at each request given the ones before"

SMALLEST_RATE = 1e-18
"""Rates are not told apart below this."""

RANK_STRENGTH = 10.0
"""Weight in requests of the prior around the quantile's own rank."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval that covers the truth at all times together with a probability of `1 - alpha`.

    Attributes:
        low: Lower end; minus infinity where nothing is known.
        high: Upper end; infinity where nothing is known.
        alpha: Chance that the truth is ever outside.
        assumes: What has to hold for that, in words for the reader.
    """

    low: float
    high: float
    alpha: float
    assumes: str


def rate(bad: int, total: int, *, alpha: float = 0.05, prior: tuple[float, float] = (0.5, 0.5)) -> Interval:
    """Interval of a rate: the beta-binomial confidence sequence (Howard et al., arXiv:1810.08240).

    `{p : B(a + S, b + t - S) / B(a, b) < p^S (1 - p)^(t - S) / alpha}` with S bad ones of t.

    Args:
        bad: Number of bad requests.
        total: Number of requests.
        alpha: Chance that the truth is ever outside.
        prior: a and b: where the interval is narrowest.

    Returns:
        Shares in [0, 1].
    """
    if not 0 <= bad <= total:
        raise _invalid("counts of a rate", f"{bad} of {total}", "0 <= bad <= total")
    _check_alpha(alpha)
    a, b = prior
    low = _lowest(bad, total, alpha, (a, b))
    return Interval(low, 1 - _lowest(total - bad, total, alpha, (b, a)), alpha, STEADY)


def _lowest(bad: int, total: int, alpha: float, prior: tuple[float, float]) -> float:
    """The smallest rate that is not excluded; the largest is the smallest one of the good requests."""

    def surplus(p: float) -> float:
        return float(_log_ratio(bad, total, p, prior)) - log(1 / alpha)

    if not bad or surplus(SMALLEST_RATE) < 0:
        return 0.0
    return float(brentq(surplus, SMALLEST_RATE, bad / total, xtol=SMALLEST_RATE))


def quantile(values: ArrayLike, share: float, *, alpha: float = 0.05) -> Interval:
    """Interval of one quantile: the sequence of `rate`, applied to ranks, with a = r*p and b = r*(1 - p).

    Args:
        values: Observed values, in any order; shape (n,).
        share: Which quantile, p in (0, 1): 0.99 for the 99th percentile.
        alpha: Chance that the truth is ever outside.

    Returns:
        Two of the observed values; infinite where there are too few.
    """
    if not 0 < share < 1:
        raise _invalid("share of a quantile", str(share), "between 0 and 1, both excluded")
    _check_alpha(alpha)
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    ranks = np.arange(len(ordered) + 1)
    prior = (RANK_STRENGTH * share, RANK_STRENGTH * (1 - share))
    possible = ranks[_log_ratio(ranks, len(ordered), share, prior) < log(1 / alpha)]
    # With k values at or below it, the quantile lies between the k-th and the next one.
    fenced = np.concatenate([[-inf], ordered, [inf]])
    return Interval(float(fenced[possible[0]]), float(fenced[possible[-1] + 1]), alpha, STEADY_RANKS)


def mean(
    values: Sequence[float] | NDArray[np.float64],
    *,
    low: float,
    high: float,
    alpha: float = 0.05,
    steps: int = 1000,
) -> Interval:
    """Interval of a mean of bounded values: the hedged betting sequence (arXiv:2010.09686).

    Bets against each mean on a grid, half on "higher", half on "lower", with stakes from the past alone
    (the predictable plug-in of that paper), cut at half of what could ruin them.

    Args:
        values: Observed values in the order in which they came; shape (n,).
        low: Smallest possible value.
        high: Largest possible value.
        alpha: Chance that the truth is ever outside.
        steps: Means tried between low and high; the ends are rounded outwards to this grid.
    """
    _check_alpha(alpha)
    if not low < high:
        raise _invalid("range of a mean", f"{low} to {high}", "low < high")
    scaled = (np.asarray(values, dtype=np.float64) - low) / (high - low)
    if not (np.isfinite(scaled).all() and (scaled >= 0).all() and (scaled <= 1).all()):
        raise _invalid("values of a mean", "one outside its range", f"finite values from {low} to {high}")
    grid = np.linspace(0, 1, steps + 1)
    up, down = _hedged(scaled, _stakes(scaled, alpha), grid)
    possible = np.flatnonzero(np.maximum(up, down) - log(2) < log(1 / alpha))
    first, last = (max(possible[0] - 1, 0), min(possible[-1] + 1, steps)) if len(possible) else (0, steps)
    ends = low + grid[[first, last]] * (high - low)
    return Interval(float(ends[0]), float(ends[1]), alpha, STEADY_MEAN)


def _hedged(
    values: NDArray[np.float64], stakes: NDArray[np.float64], grid: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log wealth of the bets on "higher" and on "lower" than each mean of the grid."""
    up, down = np.zeros(len(grid)), np.zeros(len(grid))
    with np.errstate(divide="ignore"):
        most_up, most_down = 0.5 / grid, 0.5 / (1 - grid)
    for value, stake in zip(values, stakes, strict=True):
        up += np.log1p(np.minimum(stake, most_up) * (value - grid))
        down += np.log1p(-np.minimum(stake, most_down) * (value - grid))
    return up, down


def _stakes(values: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """Each value's stake, from the values before it: sqrt(2 ln(2/alpha) / (variance * t * ln(t + 1)))."""
    t = np.arange(1, len(values) + 1)
    means = (0.5 + np.cumsum(values)) / (t + 1)
    variances = (0.25 + np.cumsum((values - means) ** 2)) / (t + 1)
    before = np.concatenate([[0.25], variances[:-1]])[: len(values)]
    stakes: NDArray[np.float64] = np.sqrt(2 * log(2 / alpha) / (before * t * np.log(t + 1)))
    return stakes


def _log_ratio(
    bad: int | NDArray[np.int_], total: int, p: float, prior: tuple[float, float]
) -> NDArray[np.float64]:
    """Log likelihood ratio of the beta mixture to the chance p."""
    a, b = prior
    good = total - bad
    ratio: NDArray[np.float64] = betaln(a + bad, b + good) - betaln(a, b) - xlogy(bad, p) - xlog1py(good, -p)
    return ratio


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise _invalid("alpha", str(alpha), "a probability between 0 and 1, both excluded")


def _invalid(subject: str, observed: str, limit: str) -> InvalidInputError:
    return InvalidInputError(subject, observed=observed, limit=limit, remedy="Correct the call.")
