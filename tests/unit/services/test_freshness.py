from hypothesis import given
from hypothesis import strategies as st

from turnout.services.sentinel.freshness import LOST_LOOKS, Backlog
from turnout.services.sentinel.watch import BLIND_LONGEST_SECONDS


def looks(*figures):
    """Take looks of (read, completed) one after the other; returns whether each was fresh."""
    backlog, fresh = Backlog(), []
    for read, completed in figures:
        backlog = backlog.look(read, completed)
        fresh.append(backlog.stale is None)
    return fresh


def test_the_first_look_proves_nothing():
    """There is nothing to hold the log against yet; without traffic the second look is enough."""
    assert looks((0, 100), (0, 100), (0, 100)) == [False, True, True]


def test_a_log_that_stands_still_while_requests_complete_is_stale():
    """A silent log is told from a silent route by the router's own count."""
    assert looks((0, 0), (20, 25), (25, 45), (0, 65), (0, 85)) == [False, True, True, True, False]


def test_a_log_that_catches_up_is_fresh_again():
    """Late lines are no lost lines."""
    assert looks((0, 0), (0, 20), (0, 40), (40, 60), (20, 60)) == [False, True, False, True, True]


def test_a_router_that_started_again_begins_the_comparison_anew():
    """Its count starts at zero; one look is not fresh, and then it is."""
    assert looks((0, 1000), (20, 1020), (5, 3), (5, 8)) == [False, True, False, True]


def test_a_router_that_does_not_answer_is_not_fresh():
    """No count, no trust; and what was known before is not held on to."""
    assert looks((0, 10), (5, 15), (5, None), (5, 25), (0, 25)) == [False, True, False, False, True]


def test_requests_that_the_router_does_not_count_hide_no_gap():
    """Clients that left are in the log and not in the count; they are not set off against missing lines."""
    assert looks((0, 0), (50, 20), (0, 40), (0, 60), (0, 60)) == [False, True, True, False, False]


def test_a_line_that_is_read_before_it_is_counted_is_not_missed_later():
    """The count is asked for just after the log is read; what comes between evens out at the next look."""
    assert looks((0, 0), (20, 20), (21, 40), (19, 60), (1, 60), (0, 61), (0, 61)) == [False] + [True] * 6


def test_lost_lines_are_given_up_when_nothing_happens_any_more():
    """A line that never came holds while requests complete, and is no reason to go back when all is quiet."""
    quiet = [(0, 21)] * 7
    assert looks((0, 0), (20, 21), *quiet) == [False, True] + [False] * 4 + [True] * 3


def test_lost_lines_are_given_up_under_traffic_once_a_candidate_would_have_been_sent_back():
    """A full disk swallows lines for good; a shadow test, which has no traffic to lose, goes on after it."""
    traffic = [(20, 120 + 20 * number) for number in range(LOST_LOOKS + 3)]
    fresh = looks((0, 0), (0, 100), *traffic)
    assert fresh == [False, True] + [False] * LOST_LOOKS + [True] * 3
    assert LOST_LOOKS > BLIND_LONGEST_SECONDS


def test_a_log_that_tells_nothing_is_never_given_up():
    """Lines that are missing while none come at all may be all of them."""
    silent = [(0, 120 + 20 * number) for number in range(3 * LOST_LOOKS)]
    assert not any(looks((0, 0), (0, 100), *silent)[2:])


@given(lost=st.integers(1, 40), traffic=st.lists(st.integers(1, 50), min_size=1, max_size=30))
def test_lost_lines_add_up(lost, traffic):
    """Lines that never come are not forgotten: every later look with less traffic than that is not fresh."""
    backlog, completed = Backlog().look(0, 0).look(0, lost), lost
    for requests in traffic:
        completed += requests
        backlog = backlog.look(requests, completed)
        assert (backlog.stale is not None) == (requests < lost)
        assert backlog.owed == lost


@given(st.lists(st.integers(min_value=0, max_value=50), min_size=6, max_size=30), st.integers(0, 2))
def test_lines_that_come_some_looks_later_are_not_missed(traffic, late):
    """As late as they may be, never staler than the first look; one that never comes is missed."""
    backlog, fresh, completed = Backlog(late_looks=2), [], 0
    for look, count in enumerate(traffic):
        completed += count
        backlog = backlog.look(traffic[look - late] if look >= late else 0, completed)
        fresh.append(backlog.stale is None)
    assert all(fresh[1:])
    for _ in range(3):
        completed += 20
        backlog = backlog.look(0, completed)
    assert backlog.look(0, completed + 20).stale
