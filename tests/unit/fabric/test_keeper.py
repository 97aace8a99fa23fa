from hypothesis import given
from hypothesis import strategies as st

from turnout.fabric.keeper import LONGEST_BACKOFF_SECONDS, backoff_seconds


@given(st.integers(min_value=1, max_value=500))
def test_the_backoff_grows_and_is_bounded(ends: int):
    """A server that keeps dying is started ever more rarely, but never given up."""
    assert 0 < backoff_seconds(ends) <= backoff_seconds(ends + 1) <= LONGEST_BACKOFF_SECONDS
