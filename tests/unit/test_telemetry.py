import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from turnout.domain.requests import Arm, RequestRecord
from turnout.fabric.router.admin import EnvoyAdmin
from turnout.fabric.router.route_name import RouteName
from turnout.fabric.state import State
from turnout.fabric.telemetry import FORGET_SECONDS, AccessLog, Cursor

MODEL = "iris"
SAVED = TypeAdapter(Cursor)


def start(number: int, chosen: Arm = Arm.CANDIDATE, at: float | None = None) -> str:
    """A line of a request that starts, as the router writes it."""
    route = RouteName(chosen, MODEL, "iris-1", "iris-1.2", 0.25, captured=False)
    at = 1000.0 + number if at is None else at
    return json.dumps(
        {"type": "DownstreamStart", "id": f"c-{number}", "route": str(route), "start": f"{at:.6f}"}
    )


def end(number: int, chosen: Arm = Arm.CANDIDATE, **fields) -> str:
    """A line of a request that ends."""
    return json.dumps(
        {
            **json.loads(start(number, chosen)),
            "type": "DownstreamEnd",
            "status": 200,
            "duration_us": 2500,
            "duration_ms": 2,
            "first_byte_us": 2000,
            "tries": 1,
            "arm": chosen,
            "details": "via_upstream",
            "flags": "-",
            **fields,
        }
    )


@pytest.fixture
def log(tmp_path):
    """A log that grows, and its reader."""
    state = State(tmp_path)
    file = state.access_log(MODEL)
    file.parent.mkdir()

    def write(*lines: str, partial: str = "") -> None:
        with file.open("a") as stream:
            stream.write("".join(f"{line}\n" for line in lines) + partial)

    return AccessLog(state, EnvoyAdmin("http://127.0.0.1:9")), file, write


def test_a_request_is_told_when_it_starts_and_when_it_ends(log):
    """A request in flight is known with its arm and weight; its end replaces it under the same id."""
    reader, _, write = log
    write(start(1))
    [flying], cursor = reader.read(MODEL, None)
    assert flying == RequestRecord("c-1", MODEL, "iris-1", "iris-1.2", Arm.CANDIDATE, 0.25, 1001.0)
    assert cursor.running == [flying]
    assert reader.read(MODEL, cursor) == ([], cursor)
    write(end(1, tries=2, arm=Arm.LEGACY))
    [ended], cursor = reader.read(MODEL, cursor)
    assert (ended.request_id, ended.duration_seconds, ended.first_byte_seconds) == ("c-1", 0.0025, 0.002)
    assert ended.arm is Arm.CANDIDATE
    assert ended.rescued
    assert (cursor.ended, cursor.running) == (1, [])


def test_both_lines_in_one_read_make_one_record(log):
    """Nothing is told twice."""
    reader, _, write = log
    write(start(1), end(1), start(2))
    records, cursor = reader.read(MODEL, None)
    assert sorted((one.request_id, one.duration_seconds is None) for one in records) == [
        ("c-1", False),
        ("c-2", True),
    ]
    assert cursor.ended == 1


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 4000), max_size=6).map(sorted))
def test_it_does_not_matter_when_the_log_is_read(tmp_path_factory, cuts):
    """Cut anywhere, in the middle of a line too, the log tells the same requests, each ended once."""
    state = State(tmp_path_factory.mktemp("log"))
    file = state.access_log(MODEL)
    file.parent.mkdir()
    lines = [start(1), start(2), end(2), start(3), end(1, status=500), end(3)]
    text = "".join(f"{line}\n" for line in lines).encode()
    reader, cursor, seen = AccessLog(state, EnvoyAdmin("")), None, []
    for cut in [*cuts, len(text)]:
        file.write_bytes(text[:cut])  # same file, same inode: it only grows
        records, cursor = reader.read(MODEL, cursor)
        cursor = SAVED.validate_json(SAVED.dump_json(cursor))
        seen += [one.request_id for one in records if one.duration_seconds is not None]
    assert seen == ["c-2", "c-1", "c-3"]
    assert cursor.ended == 3
    assert not cursor.in_flight


def test_a_log_that_began_anew_is_read_from_its_start(log):
    """A truncated file is a new one."""
    reader, file, write = log
    write(end(1), end(2))
    _, cursor = reader.read(MODEL, None)
    file.write_text("")
    write(end(3))
    records, cursor = reader.read(MODEL, cursor)
    assert [one.request_id for one in records] == ["c-3"]
    assert cursor.ended == 3


def test_the_rest_of_a_rotated_log_comes_first(log):
    """What was written before a rotation and not read yet is not lost."""
    reader, file, write = log
    write(end(1))
    _, cursor = reader.read(MODEL, None)
    write(end(2))
    file.rename(file.with_name("iris.jsonl.1"))
    write(end(3))
    records, cursor = reader.read(MODEL, cursor)
    assert [one.request_id for one in records] == ["c-2", "c-3"]
    assert reader.read(MODEL, cursor) == ([], cursor)


def test_no_log_is_no_requests(log):
    """Before the first request there is nothing, and that is no error."""
    reader, _, _ = log
    assert reader.read(MODEL, None) == ([], Cursor())
    assert reader.end(MODEL) == Cursor()


def test_a_foreign_line_is_counted_and_passed_over(log):
    """One unreadable line does not blind the reader to the others."""
    reader, _, write = log
    write("not JSON", end(1, route=None), end(2))
    records, cursor = reader.read(MODEL, None)
    assert [one.request_id for one in records] == ["c-2"]
    assert cursor.unreadable == 2


def test_a_cursor_at_the_end_sees_only_what_comes(log):
    """A reader that begins now counts nothing of before, nor half a line."""
    reader, _, write = log
    write(end(1), partial=end(2)[:20])
    cursor = reader.end(MODEL)
    write(partial=end(2)[20:] + "\n")
    records, _ = reader.read(MODEL, cursor)
    assert [one.request_id for one in records] == ["c-2"]


def test_a_start_without_an_end_is_forgotten_at_last(log):
    """A killed router leaves starts behind; they do not pile up."""
    reader, _, write = log
    write(start(1), start(2, at=1001.0 + FORGET_SECONDS + 1))
    _, cursor = reader.read(MODEL, None)
    assert set(cursor.in_flight) == {"c-2"}


def test_who_answered_is_only_said_where_somebody_did(log):
    """A client that left, or an answer that the router made itself, is nobody's answer."""
    reader, _, write = log
    write(
        end(1, status=0, details="downstream_remote_disconnect", first_byte_us=None, duration_us=None),
        end(2, status=503, details="no_healthy_upstream", arm=None, tries=None),
        end(3, Arm.LEGACY),
    )
    records, _ = reader.read(MODEL, None)
    assert [(one.status, one.answered_by, one.answered) for one in records] == [
        (0, None, False),
        (503, None, False),
        (200, Arm.LEGACY, True),
    ]
    assert records[0].duration_seconds == 0.002


@pytest.mark.parametrize(
    ("status", "tries", "answered_by", "rescued", "diverted"),
    [
        (200, 2, Arm.LEGACY, True, False),
        (400, 2, Arm.LEGACY, False, False),
        (500, 2, Arm.LEGACY, False, False),
        (200, 1, Arm.CANDIDATE, False, False),
        (200, 1, Arm.LEGACY, False, True),
        (504, 2, None, False, False),
    ],
)
def test_a_rescue_is_a_good_answer_of_legacy_after_a_failed_try(
    status, tries, answered_by, rescued, diverted
):
    """Neither the client's own error nor a request that was never tried convicts a candidate."""
    record = RequestRecord(
        "c-1", MODEL, "iris-1", "v", Arm.CANDIDATE, 0.5, 0.0, 0.1, None, status, tries, answered_by
    )
    assert (record.rescued, record.diverted) == (rescued, diverted)
