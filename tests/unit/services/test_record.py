import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.domain.contract import Bounds
from turnout.domain.route import RoutePolicy, Tombstone
from turnout.fabric.comparison_files import START
from turnout.fabric.telemetry import Cursor
from turnout.services.sentinel.clock import Now
from turnout.services.sentinel.leases import StepClock
from turnout.services.sentinel.record import Record, TornError, ended_by, sealed, unsealed

CLOCK = StepClock.begin("iris-1.1", Now(1.0, 2.0, "a"))
RECORD = Record(
    model="iris",
    attempt="iris-1",
    bounds=Bounds(),
    policy=RoutePolicy(),
    guarded=("errors",),
    deterministic=False,
    weight=0.1,
    step=CLOCK,
    weight_clock=CLOCK,
    guard="{}",
    counter="{}",
    cursor=Cursor(ended=7),
    place=START,
    evidence={"errors": {"log_wealth": -1.25}},
)


def test_a_record_comes_back_as_it_was():
    """Saving and restoring changes nothing."""
    assert unsealed(sealed(RECORD), attempt="iris-1") == RECORD


@given(data=st.data())
def test_any_damage_is_told(data):
    """A record that was cut anywhere, or changed in any place, is never taken for a good one."""
    text = sealed(RECORD)
    cut = data.draw(st.integers(0, len(text) - 2))
    with pytest.raises(TornError):
        unsealed(text[:cut], attempt="iris-1")
    at = data.draw(st.integers(0, len(text) - 2))
    changed = data.draw(st.characters(codec="ascii").filter(lambda c: c != text[at]))
    with pytest.raises(TornError):
        unsealed(text[:at] + changed + text[at + 1 :], attempt="iris-1")


def test_another_attempts_record_or_another_format_is_refused():
    """A whole record in the wrong place, or of another version, is as good as torn."""
    with pytest.raises(TornError):
        unsealed(sealed(RECORD), attempt="iris-2")
    with pytest.raises(TornError):
        unsealed(sealed(RECORD.model_copy(update={"format": 2})), attempt="iris-1")


def test_the_end_names_the_signal_only_where_the_guard_ended_it():
    """A person's words are not taken for a signal."""
    grave = Tombstone(model="iris", attempt="iris-1", reason="errors: 5 nats", by="sentinel", at_seconds=3.0)
    assert ended_by(grave).signal == "errors"
    assert ended_by(grave.model_copy(update={"reason": "step lease ran out"})).signal is None
    assert ended_by(grave.model_copy(update={"by": "ana"})).signal is None
    assert json.loads(ended_by(grave).model_dump_json())["at_seconds"] == 3.0
