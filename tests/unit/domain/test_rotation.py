from hypothesis import given
from hypothesis import strategies as st

from turnout.domain.rotation import QUIET_SECONDS, Part, surplus

sizes = st.lists(st.integers(1, 100), min_size=1, max_size=12)


def log(sizes, needed=(), quiet=QUIET_SECONDS):
    """Parts put aside, the oldest first, and the open one at the end."""
    last = len(sizes) - 1
    return [Part(str(n), size, n == last, quiet, n in needed) for n, size in enumerate(sizes)]


@given(sizes, st.integers(1, 400))
def test_the_disk_is_bounded_and_the_newest_stays(sizes, kept):
    """What is left fits, or only the open file is left; nothing newer goes before something older."""
    gone = surplus(log(sizes), kept_bytes=kept)
    left = sizes[len(gone) :]
    assert gone == tuple(str(n) for n in range(len(gone)))
    assert sum(left) <= kept or len(left) == 1
    assert not gone or sum(sizes[len(gone) - 1 :]) > kept


@given(sizes, st.integers(1, 400), st.sets(st.integers(0, 11)))
def test_what_a_reader_needs_stays_until_twice_as_much_is_taken(sizes, kept, needed):
    """Up to there no needed part goes; beyond, the disk comes first."""
    gone = surplus(log(sizes, needed), kept_bytes=kept)
    if sum(sizes) <= 2 * kept:
        assert not needed & {int(name) for name in gone}
    left = sum(size for n, size in enumerate(sizes) if str(n) not in gone)
    assert left <= 2 * kept or left == sizes[-1]


def test_a_part_that_may_still_be_written_to_stays():
    """A router reopens its log a moment after the rename."""
    assert surplus(log([50, 50, 50], quiet=QUIET_SECONDS - 1), kept_bytes=10) == ()
