import pytest

from turnout.domain.load import STEPS, Sent, judged, rates, throughput


def sent(count=100, rate=50.0, latency=0.01, failed=0):
    """Requests at an even rate; the first ones fail."""
    return [
        Sent(due_seconds=n / rate, answered_seconds=None if n < failed else n / rate + latency)
        for n in range(count)
    ]


def test_rates_rise_to_the_ceiling_and_never_beyond():
    """What an owner allows is the most that is ever sent."""
    found = rates(160.0)
    assert found == (10.0, 20.0, 40.0, 80.0, 160.0)
    assert len(found) == STEPS


def test_a_rate_that_is_answered_in_time_is_carried():
    """Latency, errors and pace within the bounds."""
    step = judged(50.0, sent(), bound_seconds=0.1, errors=0.01)
    assert step.sustained
    assert (step.failed, step.p95_seconds) == (0, pytest.approx(0.01))
    assert step.answered_per_second == pytest.approx(50.0, rel=0.02)


@pytest.mark.parametrize(
    "given",
    [sent(latency=0.2), sent(failed=2), sent(failed=10), [], sent(failed=100)],
    ids=["slow", "errors", "many errors", "nothing", "nothing but errors"],
)
def test_a_rate_beyond_its_bounds_is_not_carried(given):
    """Slow, failing or silent: no data is never a pass."""
    assert not judged(50.0, given, bound_seconds=0.1, errors=0.01).sustained


def test_a_stall_counts_for_every_request_that_was_due_in_it():
    """A server that answers everything at the end has been slow for all of them."""
    stalled = [Sent(due_seconds=n / 50, answered_seconds=2.0) for n in range(100)]
    step = judged(50.0, stalled, bound_seconds=0.1, errors=0.01)
    assert step.p50_seconds == pytest.approx(1.0, abs=0.02)
    assert not step.sustained


def test_a_queue_that_only_grows_is_not_carried():
    """Within a wide bound a short test would pass a server at half the rate: the pace tells."""
    slow = [Sent(due_seconds=n / 50, answered_seconds=n / 25) for n in range(100)]
    assert not judged(50.0, slow, bound_seconds=60.0, errors=0.01).sustained


def test_throughput_is_what_was_carried_before_the_first_that_was_not():
    """A rate that is carried again beyond one that was not is chance."""
    good, bad = (judged(50.0, given, bound_seconds=0.1, errors=0.01) for given in (sent(), sent(latency=1.0)))
    assert throughput([good, bad, good])["per_second"] == good.answered_per_second
    assert throughput([bad])["per_second"] is None
    assert throughput([])["per_second"] is None
    assert [throughput(s)["at_least"] for s in ([good], [good, bad], [bad], [])] == [
        True,
        False,
        False,
        False,
    ]
