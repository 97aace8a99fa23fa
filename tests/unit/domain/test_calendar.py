import datetime as dt

import pytest
from pydantic import ValidationError

from turnout.domain.blockers import BlockerKind
from turnout.domain.calendar import Calendar, Freeze
from turnout.domain.inventory import Inventory
from turnout.domain.plan import Terms, plan
from turnout.domain.waves import LAST, waves
from turnout.domain.workload import Component, Criticality, Workload

FIRST = dt.date(2026, 12, 1)
HOLIDAYS = Freeze(first=dt.date(2026, 12, 15), last=dt.date(2027, 1, 4), why="year's end")


def _workload(name, owner="ana", calls=()):
    return Workload(
        name=name,
        framework="onnx",
        wire="v2",
        latency_class="batch",
        criticality=Criticality.LOW,
        owner=owner,
        components=(Component(role="predictor", framework="onnx"),),
        dependencies=tuple(f"service/default/{other}" for other in calls),
    )


def test_waves_have_days():
    """The calendar says on which day each wave moves; without a first day waves have numbers alone."""
    calendar = Calendar(first_wave=FIRST, days_between_waves=7)
    assert [calendar.day(wave) for wave in (1, 2, 3)] == [FIRST, dt.date(2026, 12, 8), dt.date(2026, 12, 15)]
    assert Calendar().day(1) is None


def test_nothing_moves_in_a_freeze():
    """A model waits for the first wave after its owner's freeze and says so; other owners' models do not."""
    calendar = Calendar(first_wave=dt.date(2026, 12, 16), owners={"ana": (HOLIDAYS,)})
    found = waves((_workload("a"), _workload("b", owner="bo")), calendar)
    assert (found["default", "a"].number, found["default", "b"].number) == (4, 1)
    assert "year's end" in found["default", "a"].reason


def test_callers_wait_for_what_they_call_also_behind_a_freeze():
    """A freeze of one owner moves the models that call theirs as well."""
    calendar = Calendar(first_wave=dt.date(2026, 12, 16), owners={"ana": (HOLIDAYS,)})
    found = waves((_workload("a"), _workload("b", owner="bo", calls=["a"])), calendar)
    assert found["default", "b"].number == found["default", "a"].number + 1


def test_a_wave_takes_no_more_than_it_may():
    """What is over the limit moves in the next wave."""
    found = waves(tuple(_workload(name) for name in "abcde"), Calendar(most_models=2))
    assert sorted(wave.number for wave in found.values()) == [1, 1, 2, 2, 3]


def test_a_freeze_without_end_blocks():
    """A model that may never be changed is no part of any wave: the plan asks when."""
    for_ever = Freeze(first=FIRST, last=dt.date(9999, 12, 31))
    calendar = Calendar(first_wave=FIRST, freezes=(for_ever,))
    assert waves((_workload("a"),), calendar)["default", "a"].number == LAST
    [line] = plan(Inventory(workloads=(_workload("a"),)), (), Terms(calendar=calendar)).lines
    assert BlockerKind.FROZEN in {blocker.kind for blocker in line.blockers}


def test_a_freeze_ends_after_it_begins():
    """Two days in the wrong order are refused, not taken for nothing."""
    with pytest.raises(ValidationError, match="before it begins"):
        Freeze(first=FIRST, last=dt.date(2026, 11, 1))
