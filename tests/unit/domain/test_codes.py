from hypothesis import given
from hypothesis import strategies as st

from turnout.domain.codes import GUESS_SECONDS, GUESSES, STEP_SECONDS, CodeBook, first_unused, judge

NOW = 1_000_000.0
STEP = int(NOW // STEP_SECONDS)
BOOKS = {"ana": CodeBook(), "bo": CodeBook()}


def test_the_right_code_is_accepted_once():
    """A code that was accepted is spent."""
    first, changed = judge("ana", {"ana": (STEP,), "bo": ()}, BOOKS, NOW)
    assert first.accepted
    second, _ = judge("ana", {"ana": (STEP,), "bo": ()}, BOOKS | changed, NOW)
    assert not second.accepted
    assert second.reason == "this code was used before"


def test_a_wrong_code_is_refused_and_counted():
    """Guesses leave a trace."""
    check, changed = judge("ana", {"ana": (), "bo": ()}, BOOKS, NOW)
    assert (check.accepted, check.reason) == (False, "the code is wrong")
    assert changed["ana"].wrong == (NOW,)


def test_another_owners_code_is_refused_without_naming_them_and_is_spent():
    """The answer does not say whose code it is; who read it here cannot use it at its owner's gate."""
    check, changed = judge("ana", {"ana": (), "bo": (STEP,)}, BOOKS, NOW)
    assert not check.accepted
    assert "another owner's" in check.reason
    assert "bo" not in check.reason.split()
    at_home, _ = judge("bo", {"ana": (), "bo": (STEP,)}, BOOKS | changed, NOW)
    assert not at_home.accepted


def test_guessing_is_slowed_down_until_an_hour_has_passed():
    """After too many wrong codes even a right one is not looked at, for a while."""
    full = BOOKS | {"ana": CodeBook(wrong=tuple(NOW + n for n in range(GUESSES)))}
    early, changed = judge("ana", {"ana": (STEP,)}, full, NOW + 60)
    assert not early.accepted
    assert "too many wrong codes" in early.reason
    assert not changed
    late, _ = judge("ana", {"ana": (STEP,)}, full, NOW + GUESS_SECONDS + GUESSES)
    assert late.accepted


def test_an_owner_without_a_secret_is_told_so():
    """Nobody answers before they are enrolled."""
    check, changed = judge("chi", {"ana": (), "bo": ()}, BOOKS, NOW)
    assert not check.accepted
    assert "enrol" in check.reason
    assert not changed


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 1)), max_size=12))
def test_no_step_is_ever_accepted_twice(tries: list[tuple[int, int]]):
    """Whatever the order of codes and clocks within the tolerance, each code counts once."""
    books, accepted = dict(BOOKS), []
    for later, offset in sorted(tries):
        at = NOW + later * STEP_SECONDS
        step = int(at // STEP_SECONDS) + offset
        check, changed = judge("ana", {"ana": (step,), "bo": ()}, books, at)
        books |= changed
        if check.accepted:
            accepted.append(step)
    assert len(accepted) == len(set(accepted))


def test_the_next_code_to_read_off_was_not_used():
    """The lab's owners do not hand in a used code."""
    assert first_unused(CodeBook(), NOW) == STEP
    assert first_unused(CodeBook(used=(STEP, STEP + 1)), NOW) == STEP + 2
