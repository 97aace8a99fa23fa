import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaln, xlog1py, xlogy
from scipy.stats import binom

from turnout.domain import intervals
from turnout.domain.errors import InvalidInputError

RUNS = 200
ALPHA = 0.2
MOST_MISSES = int(binom.ppf(1 - 1e-6, RUNS, ALPHA))


@pytest.mark.parametrize("truth", [0.005, 0.3])
def test_a_rate_is_covered_at_all_times_together(truth):
    """Looked at after each request, the interval leaves the truth out in at most alpha of all runs."""
    random = np.random.default_rng(1)
    bad = (random.random((RUNS, 600)) < truth).cumsum(axis=1)
    total = np.arange(1, 601)
    # The definition, not the function's roots: the roots are checked below.
    ratio = (
        betaln(0.5 + bad, 0.5 + total - bad)
        - betaln(0.5, 0.5)
        - xlogy(bad, truth)
        - xlog1py(total - bad, -truth)
    )
    assert (ratio >= math.log(1 / ALPHA)).any(axis=1).sum() <= MOST_MISSES


@given(total=st.integers(0, 10**6), share=st.floats(0, 1), alpha=st.floats(0.001, 0.5))
def test_a_rates_ends_are_where_the_definition_puts_them(total, share, alpha):
    """The ends solve the inequality of the beta-binomial sequence, and the estimate lies between them."""
    bad = int(share * total)
    found = intervals.rate(bad, total, alpha=alpha)
    assert 0 <= found.low <= (bad / total if total else 0.5) <= found.high <= 1
    for end in (found.low, found.high):
        if 0 < end < 1:
            good = total - bad
            ratio = betaln(0.5 + bad, 0.5 + good) - betaln(0.5, 0.5) - xlogy(bad, end) - xlog1py(good, -end)
            assert ratio == pytest.approx(math.log(1 / alpha), abs=1e-3)


@pytest.mark.parametrize(("share", "truth"), [(0.5, math.log(2)), (0.9, math.log(10))])
def test_a_quantile_is_covered_whenever_one_looks(share, truth):
    """Looked at ten times, the quantile is outside any of the intervals in at most alpha of all runs."""
    random = np.random.default_rng(2)
    misses = 0
    for _ in range(RUNS):
        values = random.exponential(1, 500)
        found = [intervals.quantile(values[:n], share, alpha=ALPHA) for n in range(50, 501, 50)]
        misses += any(not one.low <= truth <= one.high for one in found)
    assert misses <= MOST_MISSES


def test_a_mean_is_covered_whenever_one_looks():
    """The mean of bounded values is outside any of the intervals in at most alpha of all runs."""
    random = np.random.default_rng(3)
    misses = 0
    for _ in range(RUNS // 4):
        values = random.beta(1, 4, 200)
        found = [intervals.mean(values[:n], low=0, high=1, alpha=ALPHA, steps=200) for n in (20, 60, 200)]
        misses += any(not one.low <= 0.2 <= one.high for one in found)
    assert misses <= int(binom.ppf(1 - 1e-6, RUNS // 4, ALPHA))


def test_more_requests_give_a_narrower_interval():
    """Intervals tell more with more data: at a tenfold number of requests they are at most half as wide."""
    random = np.random.default_rng(4)
    values = random.exponential(1, 5000)
    for few, many in (
        (intervals.rate(5, 500), intervals.rate(50, 5000)),
        (intervals.quantile(values[:500], 0.9), intervals.quantile(values, 0.9)),
        (
            intervals.mean(np.minimum(values[:500], 9), low=0, high=9),
            intervals.mean(np.minimum(values, 9), low=0, high=9),
        ),
    ):
        assert many.high - many.low <= (few.high - few.low) / 2


def test_nothing_seen_is_nothing_known():
    """Without data the interval is everything that is possible."""
    assert (intervals.rate(0, 0).low, intervals.rate(0, 0).high) == (0.0, 1.0)
    assert (intervals.quantile([], 0.5).low, intervals.quantile([], 0.5).high) == (-math.inf, math.inf)
    assert (intervals.mean([], low=0, high=3).low, intervals.mean([], low=0, high=3).high) == (0.0, 3.0)


def test_every_interval_says_what_it_assumes():
    """A reader is told when not to believe it."""
    assert "drift" in intervals.rate(1, 10).assumes
    assert "drift" in intervals.quantile([1.0], 0.5).assumes
    assert "mean" in intervals.mean([0.5], low=0, high=1).assumes


@pytest.mark.parametrize(
    "call",
    [
        lambda: intervals.rate(2, 1),
        lambda: intervals.rate(1, 2, alpha=0),
        lambda: intervals.quantile([1.0], 1.0),
        lambda: intervals.mean([2.0], low=0, high=1),
        lambda: intervals.mean([0.5], low=1, high=1),
        lambda: intervals.mean([math.nan], low=0, high=1),
    ],
)
def test_what_has_no_interval_is_refused(call):
    """Impossible counts and ranges are errors, not odd numbers in a report."""
    with pytest.raises(InvalidInputError):
        call()
