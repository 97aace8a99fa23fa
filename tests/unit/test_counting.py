import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.domain.counting import Counter, advance, begin, lag_seconds
from turnout.domain.errors import InvalidInputError
from turnout.domain.looks import Pairs
from turnout.domain.outcomes import CountingRules
from turnout.domain.requests import Arm, ComparisonRecord, RequestRecord

START = 1_000
RULES = CountingRules(slow_seconds=0.5, error_seconds=2.0, rescue_seconds=0.5, settle_seconds=0.5)
EVERYTHING_KNOWN = RULES.known_after_seconds(Arm.CANDIDATE) + RULES.settle_seconds


def request(name="a", *, at=START + 0.5, arm=Arm.CANDIDATE, took=0.02, status=200, weight=0.2, **more):
    """One request of the attempt."""
    return RequestRecord(
        request_id=name, model="iris", attempt="iris-1", route_version="1", arm=arm, weight=weight,
        started_seconds=at, duration_seconds=took, status=status, answered_by=more.pop("by", arm), **more,
    )  # fmt: skip


def in_flight(name="a", **more):
    """One request that has not ended."""
    return request(name, **{"took": None, "status": None, "by": None, **more})


def comparison(at=START + 0.5, **more):
    """One compared replay."""
    fields = {"new_differs": False, "old_differs": False, "new_failed": False, **more}
    return ComparisonRecord(
        model="iris", attempt="iris-1", at_seconds=at, captured_from=Arm.LEGACY, distance=0.0,
        legacy_seconds=0.01, candidate_seconds=0.01, **fields,
    )  # fmt: skip


def counted(records, now, comparisons=(), rules=RULES):
    """The looks that come out of one call."""
    return advance(begin("iris-1", START - 0.5), rules, records, comparisons, now)[1]


@st.composite
def some_requests(draw):
    """A few seconds of requests with distinct ids."""
    number = draw(st.integers(0, 25))
    return [
        request(
            f"r{i}",
            at=START + draw(st.floats(0, 5.99)),
            arm=draw(st.sampled_from(Arm)),
            took=draw(st.none() | st.floats(0, 4)),
            status=draw(st.sampled_from([200, 500, 503, 404])),
            weight=draw(st.sampled_from([0.1, 0.25])),
            tries=draw(st.sampled_from([1, 2])),
            by=draw(st.sampled_from([*Arm, None])),
        )
        for i in range(number)
    ]


@given(records=some_requests(), data=st.data())
@settings(deadline=None, max_examples=40)
def test_each_request_is_counted_exactly_once(records, data):
    """However the records are cut into calls, told of twice or at their start and end, each counts once."""
    counter, looks = begin("iris-1", START - 0.5), []
    told = [r for r in records for _ in range(data.draw(st.integers(1, 3)))]
    told += [replace(r, duration_seconds=None, status=None, answered_by=None) for r in records]
    told.sort(key=lambda r: r.started_seconds + (r.duration_seconds or 0.0))
    for tick in range(12):
        now = START + 1.0 + tick
        news = [r for r in told if now - 1 <= r.started_seconds + (r.duration_seconds or 0.0) < now]
        counter, more = advance(counter, RULES, news, (), now)
        looks += more
    requests = sum(look.legacy.requests + look.candidate.requests + look.diverted for look in looks)
    assert requests == len(records)
    assert sum(look.seconds for look in looks) == pytest.approx(counter.next_second - START)


@given(records=some_requests(), seed=st.integers())
@settings(deadline=None, max_examples=40)
def test_the_order_of_records_does_not_matter(records, seed):
    """Records in any order, and any of them twice, give the same looks."""
    mixed = records + records[::2]
    random.Random(seed).shuffle(mixed)
    assert counted(mixed, START + 20) == counted(records, START + 20)


@given(records=some_requests(), cut=st.integers(0, 25))
@settings(deadline=None, max_examples=40)
def test_late_and_repeated_records_change_nothing_already_counted(records, cut):
    """What arrives after its second was counted is left out, wholly."""
    counter, _ = advance(begin("iris-1", START - 0.5), RULES, records, (), START + 20)
    again, looks = advance(counter, RULES, [*records[cut:], request("late")], (), START + 20)
    assert (again, looks) == (counter, [])


@given(records=some_requests(), cut=st.integers(0, 25))
@settings(deadline=None, max_examples=40)
def test_saved_and_restored_it_counts_the_same(records, cut):
    """A counter that is saved between two calls goes on exactly."""
    counter, before = advance(begin("iris-1", START - 0.5), RULES, records[:cut], [comparison()], START + 2)
    restored = Counter.from_json(counter.to_json())
    assert restored == counter
    assert advance(restored, RULES, records[cut:], (), START + 20) == advance(
        counter, RULES, records[cut:], (), START + 20
    )
    assert len(before) <= 2


def test_a_second_is_counted_as_soon_as_its_requests_have_ended():
    """Nothing in flight: the look comes once the log had its time, long before the time limits."""
    assert counted([request()], START + 1.4) == []
    (look,) = counted([request()], START + 1.5)
    assert (look.candidate.requests, look.candidate.errors, look.at_seconds) == (1, 0, START)


def test_a_request_in_flight_holds_its_second_until_its_time_is_over():
    """A hanging request is waited for as long as it may take, then counts as failed and slow."""
    assert counted([in_flight()], START + 0.5 + EVERYTHING_KNOWN - 0.01) == []
    look = counted([in_flight()], START + 0.5 + EVERYTHING_KNOWN)[0]
    assert (look.candidate.errors, look.candidate.slow) == (1, 1)


def test_without_starts_in_the_log_every_second_waits():
    """Where requests in flight cannot be seen, no second is complete before the longest time."""
    rules = replace(RULES, starts_logged=False)
    assert counted([request()], START + 1 + EVERYTHING_KNOWN - 0.01, rules=rules) == []
    assert len(counted([request()], START + 1 + EVERYTHING_KNOWN, rules=rules)) == 1


def test_a_failing_candidate_and_a_hanging_legacy_count_alike_in_one_second():
    """In trouble that both share, the arm that fails fast is not judged before the other's time is over."""
    shared = [request("c", status=503), in_flight("l", arm=Arm.LEGACY)]
    looks = counted(shared, START + 4)
    assert (looks[0].candidate.errors, looks[0].legacy.errors) == (1, 1)


def test_weights_that_change_within_a_second_give_separate_looks():
    """Each request is counted under the weight that held at its start, in the order of the weights."""
    records = [request("b", at=START + 0.7, weight=0.1), request("a", at=START + 0.2, weight=0.5)]
    first, second = counted(records, START + 1.9, [comparison()])
    assert (first.weight, second.weight) == (0.5, 0.1)
    assert (first.seconds, second.seconds) == (0.5, 0.5)
    assert (first.pairs, second.pairs) == (Pairs(), Pairs(neither=1))


def test_seconds_without_requests_are_looks_too():
    """An empty second has the newest weight, so that time goes on for the guard."""
    looks = counted([request(weight=0.25)], START + 4.6)
    assert [look.weight for look in looks] == [0.25] * 4
    assert [look.candidate.requests for look in looks] == [1, 0, 0, 0]


def test_other_attempts_are_not_counted():
    """Requests and comparisons of another attempt, or of none, belong to nobody here."""
    others = [replace(request(), attempt="iris-2"), replace(request("b"), attempt=None)]
    (look,) = counted(others, START + 1.9, [replace(comparison(), attempt="iris-2")])
    assert (look.candidate.requests, look.pairs) == (0, Pairs())


def test_comparisons_are_counted_by_outcome_once():
    """A failed replay differs; one that arrives twice counts once; one without a floor is left out."""
    records = [
        comparison(START + 0.1),
        comparison(START + 0.2, new_differs=True),
        comparison(START + 0.3, new_failed=True, old_differs=True),
        comparison(START + 0.4, old_differs=True),
        comparison(START + 0.5, new_differs=True, old_differs=None),
    ]
    (look,) = counted([], START + 1.9, records + records)
    assert look.pairs == Pairs(neither=1, old_only=1, new_only=1, both=1)


def test_where_legacy_is_known_to_repeat_itself_no_floor_is_needed():
    """A deterministic legacy counts as agreeing with itself."""
    rules = replace(RULES, deterministic=True)
    (look,) = counted([], START + 1.9, [comparison(new_differs=True, old_differs=None)], rules)
    assert look.pairs == Pairs(new_only=1)


def test_a_late_comparison_is_counted_in_the_next_look():
    """A difference that is written a moment late is not lost, and not counted twice."""
    counter, _ = advance(begin("iris-1", START - 0.5), RULES, (), [comparison(START + 0.1)], START + 2.5)
    late = [comparison(START + 0.1), comparison(START + 0.2, new_differs=True)]
    counter, (look,) = advance(counter, RULES, (), late, START + 3.5)
    assert look.pairs == Pairs(new_only=1)
    ancient = comparison(START + 3, new_differs=True)
    counter, looks = advance(counter, RULES, (), (), START + 60)
    assert advance(counter, RULES, (), [ancient], START + 61.5)[1][0].pairs == Pairs()
    assert len(looks) == 56


def test_a_clock_set_back_counts_nothing_twice():
    """Until the clock is where it was, nothing is counted, and the lag says so."""
    counter, _ = advance(begin("iris-1", START - 0.5), RULES, [request()], (), START + 9.5)
    back, looks = advance(counter, RULES, [request("b", at=START + 3)], (), START + 4)
    assert (back, looks) == (counter, [])
    assert lag_seconds(back, START + 4) < 0


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"attempt": "iris-1"}'])
def test_a_broken_record_is_not_a_counter(text):
    """A torn record is an error, never a counter that begins anew."""
    with pytest.raises(InvalidInputError):
        Counter.from_json(text)
