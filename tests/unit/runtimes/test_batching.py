"""The dynamic batcher's settings follow from what was measured: nobody waits without a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.triton.batching import AT_ONCE, BUSY, HEADROOM, Execution, Load, choose, large_enough

ALONE = [
    Execution(rows=1, seconds=0.001),
    Execution(rows=8, seconds=0.0012),
    Execution(rows=32, seconds=0.002),
    Execution(rows=128, seconds=0.0075),
]


def load(delay, carried, slow=0.02, failed=0):
    """A setting under load."""
    return Load(queue_delay_microseconds=delay, requests_per_second=carried, slow_seconds=slow, failed=failed)


BETTER = [load(0, 1000), load(500, 1300), load(2000, 1250)]


def chosen(loads, rate=1000.0, bound=0.1):
    """The choice for a production rate and a bound."""
    return choose(ALONE, loads, production_per_second=rate, bound_seconds=bound)


def test_a_batch_is_large_enough_at_the_knee():
    """32 rows have 16,000 a second, 128 have 17,067: larger ones only take longer."""
    assert large_enough(ALONE) == 32


def test_a_delay_that_is_needed_and_carries_more_is_taken():
    """The one that carries most, sent off early at the batch that is large enough; the reason has figures."""
    choice = chosen(BETTER)
    assert choice.batching.queue_delay_microseconds == 500
    assert choice.batching.preferred_batch_sizes == (32,)
    assert "1300" in choice.reason
    assert "1000 carried at once" in choice.reason


@pytest.mark.parametrize(
    ("loads", "rate", "bound"),
    [
        (BETTER, 20.0, 0.1),  # production is far below what is carried without
        (BETTER, None, 0.1),  # nobody knows what production sends
        (BETTER, 1000.0, 0.001),  # every delay is slower than the owner allows
        ([load(0, 1000), load(500, 1050)], 1000.0, 0.1),  # a gain that noise makes too
        ([load(0, 1000), load(500, 3000, failed=1)], 1000.0, 0.1),  # requests failed
    ],
)
def test_else_nobody_waits(loads, rate, bound):
    """No need, no knowledge, no room or no gain: no request is made to wait, and the reason says which."""
    choice = chosen(loads, rate, bound)
    assert choice.batching == AT_ONCE
    assert choice.reason


@given(
    carried=st.lists(st.floats(1, 1e5), min_size=3, max_size=3),
    slow=st.lists(st.floats(1e-4, 10), min_size=3, max_size=3),
    rate=st.none() | st.floats(0.01, 1e5),
    bound=st.floats(1e-3, 5),
)
def test_a_chosen_delay_is_always_within_the_bound_and_needed(carried, slow, rate, bound):
    """Whatever was measured: a delay is one of those tried, fast enough, better, and needed."""
    loads = [load(delay, c, s) for delay, c, s in zip((0, 500, 2000), carried, slow, strict=True)]
    delay = chosen(loads, rate, bound).batching.queue_delay_microseconds
    if delay:
        (taken,) = [one for one in loads if one.queue_delay_microseconds == delay]
        assert taken.slow_seconds <= bound
        assert taken.requests_per_second > carried[0]
        assert rate * HEADROOM > BUSY * carried[0]
