from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from turnout.domain.contract import Bounds
from turnout.domain.outcomes import CountingRules
from turnout.domain.requests import Arm, RequestRecord
from turnout.domain.route import RoutePolicy
from turnout.report.timing import Trial, fault_start, rollback_seconds, trials

RULES = CountingRules.of(Bounds(slow_seconds=0.5), RoutePolicy())
GOOD = RequestRecord(
    request_id="1", model="iris", attempt="iris-1", route_version="v", arm=Arm.CANDIDATE, weight=0.1,
    started_seconds=10.0, duration_seconds=0.01, status=200, answered_by=Arm.CANDIDATE,
)  # fmt: skip
RESCUED = replace(GOOD, tries=2, answered_by=Arm.LEGACY)
DIVERTED = replace(GOOD, answered_by=Arm.LEGACY)


def _made(bad: str) -> list[Trial]:
    """One request a second: `x` is a bad one."""
    return [Trial(float(second), one == "x") for second, one in enumerate(bad)]


def test_no_bad_request_no_start():
    """Without a failed request nothing is claimed about when a fault began."""
    assert fault_start(_made(".."), 9.0) is None
    assert fault_start([], 9.0) is None


def test_the_first_failure_is_the_start_where_all_was_well_before():
    """Detection is counted from the very first failed candidate request of the fault."""
    assert fault_start(_made("." * 50 + "x..x.xx"), 99.0) == 50.0


def test_a_stray_failure_long_before_is_left_out():
    """One failure an hour before a fault does not turn seconds of detection into an hour."""
    history = _made("." * 20 + "x" + "." * 500 + "x." * 15)
    assert fault_start(history, 9999.0) == 521.0


def test_what_came_after_the_verdict_does_not_count():
    """A failure after the verdict cannot be the one that led to it."""
    assert fault_start(_made("..x"), 1.5) is None


def test_a_known_moment_of_the_fault_is_believed():
    """Where it is known when the fault was put in, its first failure after that is the start."""
    assert fault_start(_made("x" + "." * 30 + "xx"), 99.0, put_seconds=20.0) == 31.0


@given(st.text("x.", max_size=200), st.floats(0, 200))
def test_the_start_is_a_bad_request_before_the_verdict(bad, verdict):
    """Whatever happened, the start is one of the bad requests that the verdict could know."""
    found = fault_start(_made(bad), verdict)
    known = [float(second) for second, one in enumerate(bad) if one == "x" and second <= verdict]
    assert (found is None) == (not known)
    assert found is None or found in known


def test_rescued_and_hanging_requests_are_bad_and_diverted_ones_are_not_the_candidates():
    """The report counts as the guard does: by what the candidate did, not by what the client saw."""
    hanging = replace(GOOD, duration_seconds=None, status=None)
    seen = trials("errors", (GOOD, RESCUED, DIVERTED, hanging), (), RULES)
    assert [t.bad for t in seen] == [False, True, True]


def test_slow_requests_are_bad_for_the_slow_signal_alone():
    """Each signal has its own bad requests."""
    slow = replace(GOOD, duration_seconds=0.9)
    assert [t.bad for t in trials("slow", (GOOD, slow), (), RULES)] == [False, True]
    assert [t.bad for t in trials("errors", (GOOD, slow), (), RULES)] == [False, False]


def test_rollback_is_counted_to_the_last_request_sent_to_the_candidate():
    """Requests that the router kept from the candidate do not prolong the rollback."""
    later = replace(DIVERTED, started_seconds=14.0)
    assert rollback_seconds((replace(GOOD, started_seconds=12.25), later), 12.0) == 0.25
    assert rollback_seconds((GOOD, later), 12.0) == 0.0


def test_no_rollback_time_where_no_request_went_to_the_candidate():
    """Null, not zero, where there was nothing to take back."""
    assert rollback_seconds((DIVERTED,), 12.0) is None
