import dataclasses

import pytest

from turnout.domain.errors import RefusedError
from turnout.domain.guard import GuardVerdict
from turnout.domain.looks import ArmCounts, Look, Pairs
from turnout.fabric.comparison_files import START
from turnout.fabric.state import State
from turnout.fabric.telemetry import Cursor
from turnout.services.sentinel import watch as watching
from turnout.services.sentinel.clock import Now
from turnout.services.sentinel.files import Files
from turnout.services.sentinel.record import Ended, TornError
from turnout.services.sentinel.watch import Judged, to_save

LOOK = Look(0.5, ArmCounts(10, 1, 0), ArmCounts(9, 0, 2, 0), pairs=Pairs(neither=3), at_seconds=1000.0)
JUDGED = Judged(LOOK, GuardVerdict("undecided", None, {"errors": {"log_wealth": 0.5}}))


@pytest.fixture
def files(tmp_path):
    """The sentinel's files in an empty state directory, its lock taken."""
    made = Files(State(tmp_path))
    made.lock()
    yield made
    made.unlock()


@pytest.fixture
def record(contract, make_route):
    """A record worth saving."""
    now = Now(1000.0, 10.0, "boot")
    watch = watching.begin(make_route(), contract, now, cursor=Cursor(), place=START, lease_seconds=4.0)
    return to_save(watch)


def test_two_sentinels_at_once_are_refused(files, tmp_path):
    """The second one on a state directory says so instead of counting everything twice."""
    with pytest.raises(RefusedError):
        Files(State(tmp_path)).lock()
    assert files.attempts() == []


def test_what_was_saved_is_loaded(files, record):
    """The latest record is there after any number of saves, and is listed."""
    files.save(record)
    files.save(record.model_copy(update={"looks": 7}))
    assert files.load("iris-1").looks == 7
    assert files.attempts() == ["iris-1"]
    assert files.load("iris-2") is None


def test_a_torn_or_vanished_record_is_told(files, record, tmp_path):
    """Half a record, or a journal without its record, is an error and not a fresh start."""
    state = State(tmp_path)
    files.save(record)
    files.journal("iris-1", [JUDGED])
    state.guard("iris-1").write_bytes(state.guard("iris-1").read_bytes()[:-50] + b"\xff")
    with pytest.raises(TornError):
        files.load("iris-1")
    state.guard("iris-1").unlink()
    with pytest.raises(TornError):
        files.load("iris-1")
    files.put_aside("iris-1")
    assert files.load("iris-1") is None
    assert files.attempts() == []


def test_a_look_is_journalled_once(files, tmp_path):
    """A sentinel that judges its last looks again after a kill does not write them twice."""
    files.journal("iris-1", [JUDGED])
    again = Files(State(tmp_path))
    again.journal("iris-1", [JUDGED])
    later = dataclasses.replace(LOOK, at_seconds=1001.0)
    again.journal("iris-1", [JUDGED, dataclasses.replace(JUDGED, look=later)])
    lines = State(tmp_path).looks("iris-1").read_text().splitlines()
    assert len(lines) == 2


def test_the_account_of_a_rollback_is_written_once(files, record, tmp_path):
    """The first account stands: when, by which signal, on what evidence."""
    for at in (5.0, 9.0):
        files.account(record, Ended(by="sentinel", reason="errors: x", at_seconds=at, signal="errors"))
    text = (State(tmp_path).guard("iris-1").parent / "iris-1.breach.json").read_text()
    assert '"at_seconds": 5.0' in text
    assert '"signal": "errors"' in text
