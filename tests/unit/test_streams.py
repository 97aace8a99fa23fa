"""Answers that stream: how the router's log tells of them, and how their requests are counted."""

import json
from dataclasses import replace

import pytest

from turnout.domain.contract import Bounds
from turnout.domain.counting import Counter, advance, begin
from turnout.domain.outcomes import CountingRules, count
from turnout.domain.requests import Arm, RequestRecord
from turnout.domain.route import RoutePolicy
from turnout.fabric.router.admin import EnvoyAdmin
from turnout.fabric.router.route_name import RouteName
from turnout.fabric.state import State
from turnout.fabric.telemetry import AccessLog

START = 1_000
RULES = CountingRules.of(Bounds(slow_seconds=0.5), RoutePolicy(try_seconds=2.0, streaming=True))
LONGEST = 2.0 + 0.5 + 1.0 + 0.5  # one try, a rescue, being told that it has begun, the log's way to us


def stream(name="a", *, at=START + 0.2, first=0.1, took=60.0, arm=Arm.CANDIDATE, by=None, **more):
    """A request whose answer streams."""
    fields = {"weight": 0.2, "status": 200, **more}
    return RequestRecord(
        request_id=name, model="iris", attempt="iris-1", route_version="1", arm=arm, started_seconds=at,
        first_byte_seconds=first, duration_seconds=took, answered_by=by or arm, **fields,
    )  # fmt: skip


def counts(record):
    """Requests, errors, slow and rescued of a record's arm."""
    look = count([record], RULES, weight=0.2)
    arm = look.candidate if record.arm is Arm.CANDIDATE else look.legacy
    return arm.requests, arm.errors, arm.slow, arm.rescued


@pytest.mark.parametrize("arm", Arm)
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (1, 0, 0, 0)),
        ({"took": None, "status": 200}, (1, 0, 0, 0)),
        ({"first": 0.7}, (1, 0, 1, 0)),
        ({"first": 2.1}, (1, 1, 1, 0)),
        ({"first": None, "took": None, "status": None}, (1, 1, 1, 0)),
        ({"first": None, "took": 0.1, "status": 503}, (1, 1, 0, 0)),
        ({"first": None, "took": 0.1, "status": 0}, (0, 0, 0, 0)),
        ({"took": 1.0, "broken": True}, (1, 1, 0, 0)),
        ({"took": 9.0, "broken": True}, (1, 0, 0, 0)),
    ],
    ids=["long", "unfinished", "slow", "late", "hanging", "refused", "left", "broken", "breaks late"],
)
def test_a_stream_is_judged_by_its_first_byte(arm, fields, expected):
    """How long it goes on is held against nobody; that it broke is, where it broke."""
    assert counts(stream(arm=arm, **fields)) == expected


def test_legacys_stream_in_a_failed_candidates_place_is_a_rescue():
    """Known from its first byte on, however long it goes on."""
    assert counts(stream(tries=2, by=Arm.LEGACY, took=None)) == (1, 1, 0, 1)
    assert counts(stream(tries=2, by=Arm.LEGACY, first=9.0)) == (1, 1, 1, 0)


def test_an_unfinished_stream_holds_no_second_up():
    """Its second is judged once it must have been told whether it has begun, and never again."""
    running = stream(took=None)
    counter, looks = advance(begin("iris-1", START - 0.5), RULES, [running], (), START + 0.2 + LONGEST - 0.01)
    assert looks == []
    counter, looks = advance(counter, RULES, [], (), START + 0.2 + LONGEST)
    assert (looks[0].candidate.requests, looks[0].candidate.errors) == (1, 0)
    _, looks = advance(counter, RULES, [replace(running, duration_seconds=7200.0)], (), START + 7300)
    assert sum(look.candidate.requests for look in looks) == 0


def test_a_stream_that_breaks_late_is_an_error_of_its_last_second():
    """Counted once, however often it is told, and also where the counter was saved in between."""
    broken = stream(took=30.5, broken=True)
    counter, before = advance(begin("iris-1", START - 0.5), RULES, [stream(took=None)], (), START + 30)
    counter, _ = advance(counter, RULES, [broken, broken], (), START + 30.9)
    counter = Counter.from_json(counter.to_json())
    _, after = advance(counter, RULES, [broken], (), START + 60)
    assert sum(look.candidate.requests for look in before) == 1
    assert sum(look.candidate.errors for look in before) == 0
    [bad] = [look for look in after if look.candidate.errors]
    assert (bad.at_seconds, bad.candidate.requests, bad.candidate.errors) == (START + 30, 1, 1)


def test_a_rescued_stream_that_breaks_late_is_not_counted_twice():
    """The candidate had failed before, and that is counted."""
    rescued = stream(took=30.5, broken=True, tries=2, by=Arm.LEGACY)
    _, looks = advance(begin("iris-1", START - 0.5), RULES, [rescued], (), START + 60)
    assert sum(look.candidate.errors for look in looks) == 1


def test_an_answer_that_broke_is_an_error_of_any_model():
    """A status of 200 says how an answer began, not that it came to its end."""
    rules = replace(RULES, streaming=False)
    look = count([stream(took=0.2, broken=True)], rules, weight=0.2)
    assert (look.candidate.errors, look.candidate.slow) == (1, 0)


def line(kind, **fields):
    """A line of the router's log."""
    route = RouteName(Arm.CANDIDATE, "iris", "iris-1", "iris-1.2", 0.25, captured=False)
    told = {
        "status": 200, "duration_us": None, "duration_ms": 1001, "first_byte_us": 560, "tries": 1,
        "arm": "candidate", "details": "via_upstream", "flags": "-",
    }  # fmt: skip
    known = {} if kind == "Start" else {**told, **fields}
    return json.dumps(
        {"type": f"Downstream{kind}", "id": "c-1", "route": str(route), "start": "1000.000000", **known}
    )


@pytest.fixture
def told(tmp_path):
    """What is known of a request after its log has these lines: read at once, and line by line."""

    def read(*lines):
        state = State(tmp_path)
        file = state.access_log("iris")
        file.parent.mkdir(exist_ok=True)
        file.write_text("")
        reader, cursor, known = AccessLog(state, EnvoyAdmin("")), None, None
        for one in lines:
            with file.open("a") as log:
                log.write(f"{one}\n")
            [known], cursor = reader.read("iris", cursor)
        [at_once], _ = reader.read("iris", None)
        assert at_once == known
        return known, cursor

    return read


def test_a_request_under_way_tells_when_its_answer_begins(told):
    """Until then nothing but that it runs; from then on its first byte, while it stays in flight."""
    waiting = line("Periodic", status=0, details=None, first_byte_us=None, arm=None)
    before, _ = told(line("Start"), waiting)
    assert (before.first_byte_seconds, before.duration_seconds, before.status) == (None, None, None)
    began, cursor = told(line("Start"), waiting, line("Periodic"))
    assert (began.first_byte_seconds, began.duration_seconds, began.status) == (0.00056, None, 200)
    assert began.answered_by is Arm.CANDIDATE
    assert cursor.running == [began]
    ended, cursor = told(line("Start"), line("Periodic"), line("End", duration_us=5_602_999))
    assert (ended.duration_seconds, ended.broken, cursor.running) == (5.602999, False, [])


@pytest.mark.parametrize(
    ("details", "broken"),
    [
        ("upstream_reset_after_response_started{protocol_error}", True),
        ("stream_idle_timeout", True),
        ("downstream_remote_disconnect", False),
    ],
)
def test_an_answer_that_is_cut_off_is_broken_unless_its_client_left(told, details, broken):
    """Its first byte and its server stay known."""
    record, _ = told(line("Start"), line("End", details=details))
    assert (record.broken, record.answered_by, record.first_byte_seconds) == (broken, Arm.CANDIDATE, 0.00056)


def test_the_routers_own_answer_is_nobodys(told):
    """Time over before anybody answered: an error, and not a broken answer."""
    record, _ = told(
        line("Start"), line("End", details="stream_idle_timeout", first_byte_us=None, status=504)
    )
    assert (record.broken, record.answered_by, record.first_byte_seconds) == (False, None, None)
