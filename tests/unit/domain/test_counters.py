import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from turnout.domain.counters import Reading, Tally, take

BEGUN = 1000.0


@st.composite
def histories(draw):
    """Readings of up to three proxies that start again now and then, and what they counted in truth."""
    readings, truth = [], 0
    for proxy in draw(st.lists(st.sampled_from("abc"), min_size=1, unique=True)):
        at = BEGUN + draw(st.integers(0, 50))
        for _ in range(draw(st.integers(1, 3))):
            started, count = at, 0
            for _ in range(draw(st.integers(1, 4))):
                at += draw(st.integers(3, 20))
                count += draw(st.integers(0, 1000))
                readings.append(Reading(proxy, started, at, {"requests": float(count)}))
            truth += count
            at += 5
    return readings, truth


@given(histories(), st.randoms(use_true_random=False))
def test_all_that_was_read_is_counted_once(history, chance):
    """With readings that come twice, the total is the processes' own and only grows."""
    readings, truth = history
    tally, total = Tally(BEGUN), 0.0
    readings = sorted(readings, key=lambda one: one.at_seconds)
    while readings:
        batch = readings[: chance.randint(1, 3)]
        readings = readings[len(batch) :]
        tally = take(tally, batch + chance.choices(batch, k=2))
        assert tally.totals["requests"] >= total
        total = tally.totals["requests"]
        assert take(tally, batch) == tally
    assert total == truth


@given(histories(), st.integers(0, 2**32))
def test_readings_that_fail_lose_nothing_but_time(history, seed):
    """As long as the last reading of each process comes, those between do not matter."""
    readings, truth = history
    last = {(one.proxy, one.started_seconds): one for one in readings}
    kept = [one for one in readings if one in last.values() or random.Random(seed).random() < 0.5]
    assert take(Tally(BEGUN), kept).totals["requests"] == truth


def test_a_restart_is_known_by_its_start_not_by_a_smaller_value():
    """A process that started again and has counted more already is not taken for the old one."""
    tally = take(Tally(BEGUN), [Reading("a", 1000, 1010, {"n": 100.0})])
    tally = take(tally, [Reading("a", 1011, 1020, {"n": 150.0})])
    assert tally.totals == {"n": 250.0}


def test_what_was_counted_before_is_no_part_of_it():
    """A proxy that was there before says only where it stands; one that joins later counts whole."""
    tally = take(Tally(BEGUN), [Reading("a", 10, 1001, {"n": 500.0}), Reading("b", 1000.5, 1002, {"n": 3.0})])
    assert tally.totals == {"n": 3.0}
    tally = take(tally, [Reading("a", 10.9, 1002, {"n": 507.0, "new": 1.0})])
    assert tally.totals == {"n": 10.0, "new": 1.0}


def test_a_proxy_that_leaves_takes_nothing_back():
    """Nor does a value that went down within one process, or an old reading that comes late."""
    first = Reading("a", 1000, 1010, {"n": 100.0})
    tally = take(Tally(BEGUN), [first, Reading("b", 1000, 1010, {"n": 1.0})])
    tally = take(tally, [Reading("b", 1000, 1020, {"n": 2.0})])
    assert tally.totals == {"n": 102.0}
    tally = take(
        tally, [replace(first, at_seconds=1030, counts={"n": 90.0}), replace(first, at_seconds=1005)]
    )
    assert tally.totals == {"n": 102.0}
    assert tally.heard_seconds("a") == 1030
    assert tally.heard_seconds("nobody") is None
