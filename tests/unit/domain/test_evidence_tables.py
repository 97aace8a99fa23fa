import json

from turnout.domain import evidence_tables
from turnout.domain.contract import Contract, SameAnswer
from turnout.domain.expectations import MOST_ROWS, Table
from turnout.domain.golden import usable
from turnout.domain.requests import Arm, ComparisonRecord, RequestRecord

CONTRACT = Contract(model="m", wire="v1", inputs=(), outputs=(), same_answer=SameAnswer(kind="labels"))


def capture(row, label=0, **changes):
    """One captured exchange."""
    line = {
        "at": 100.0, "arm": "legacy", "method": "POST", "path": "/p", "status": 200,
        "request": json.dumps({"instances": [row]}), "response": json.dumps({"predictions": [label]}),
    }  # fmt: skip
    return line | changes


def used(lines):
    """Those that can stand in a golden set."""
    return [usable(line, CONTRACT) for line in lines]


def told(table: Table) -> list[dict]:
    """Rows by the names of their columns; every row has a cell for every column."""
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_captured_traffic_is_in_order_with_what_cannot_be_used():
    """Legacy's answers, good and bad, oldest first; what the candidate answered tells nothing of legacy."""
    good = capture([1.0, None], at=90.0)
    others = [capture([2.0], status=500, at=80.0), capture([3.0], answered_by="candidate")]
    rows = told(evidence_tables.captured_traffic(used([good]), others, now_seconds=100.0))
    assert [(row["row"], row["usable"], row["age_seconds"], row["status"]) for row in rows] == [
        (0, 0, 20.0, 500), (1, 1, 10.0, 200),
    ]  # fmt: skip
    assert [row["null_inputs"] for row in rows] == [0, 1]


def test_only_the_newest_rows_are_looked_at():
    """However long a log is, the table is bounded, and its rows are numbered from 0."""
    record = RequestRecord("r", "m", None, "1", Arm.LEGACY, 0.0, 50.0, duration_seconds=0.1, status=200)
    rows = told(evidence_tables.baseline([record] * (MOST_ROWS + 9), streaming=False, now_seconds=60.0))
    assert [rows[0]["row"], rows[-1]["row"]] == [0, MOST_ROWS - 1]


def test_the_latency_of_a_stream_is_that_of_its_first_byte():
    """As the contract's own bounds have it."""
    record = RequestRecord(
        "r", "m", None, "1", Arm.LEGACY, 0.0, 50.0, duration_seconds=9.0, first_byte_seconds=0.2, status=200
    )
    (row,) = told(evidence_tables.baseline([record], streaming=True, now_seconds=60.0))
    assert (row["latency_seconds"], row["duration_seconds"], row["answered"]) == (0.2, 9.0, 1)


def test_the_golden_set_is_told_row_by_row():
    """A digest of each question, its class, and the nulls on both sides."""
    lines = [capture([1.0], 2), capture([None], None), capture([1.0], 2), {"request": "not JSON"}]
    rows = told(evidence_tables.golden_set(lines, [{"2"}, {"a", "b"}]))
    assert rows[0]["request_sha256"] == rows[2]["request_sha256"] != rows[1]["request_sha256"]
    assert [row["answer_class"] for row in rows] == ["2", "a, b", None, None]
    assert [(row["null_inputs"], row["null_answers"]) for row in rows] == [(0, 0), (1, 1), (0, 0), (0, 0)]


def test_a_class_that_the_golden_set_lacks_is_a_row_with_none():
    """Every class of the traffic has its row."""
    found = used([capture([n], n % 3) for n in range(9)])
    rows = told(evidence_tables.golden_classes(found, found[:2]))
    assert [(row["answer_class"], row["captured"], row["golden"]) for row in rows] == [
        ("0", 3, 1), ("1", 3, 1), ("2", 3, 0),
    ]  # fmt: skip


def test_each_input_has_its_range_in_golden_set_and_traffic():
    """Numbers by value, texts by length; the quartiles are values that were really sent."""
    found = used([capture([float(n), "x" * n]) for n in range(100)])
    number, text = told(evidence_tables.golden_inputs(found, found[10:20]))
    assert (number["input"], number["kind"]) == ("instances.0", "number")
    assert (number["golden_lowest"], number["golden_highest"]) == (10.0, 19.0)
    assert (number["traffic_lower_quartile"], number["traffic_upper_quartile"]) == (25.0, 74.0)
    assert (text["kind"], text["golden_highest"], text["golden_distinct"]) == ("text", 19.0, 10)


def test_an_input_that_the_golden_set_lacks_has_no_range():
    """Unknown is not zero."""
    found = used([capture([1.0]), capture([2.0, 3.0])])
    _, second = told(evidence_tables.golden_inputs(found, found[:1]))
    assert (second["golden_lowest"], second["golden_highest"]) == (None, None)


def test_samples_say_which_side_failed():
    """Only replays of what legacy had answered count."""

    def sample(*, new_failed, old, legacy, source=Arm.LEGACY):
        return ComparisonRecord("m", "m-1", 90.0, source, new_failed, old, new_failed, None, legacy, 0.1)

    given = [
        sample(new_failed=False, old=False, legacy=0.1),
        sample(new_failed=True, old=False, legacy=0.1),
        sample(new_failed=False, old=True, legacy=None),
        sample(new_failed=True, old=True, legacy=None),
        sample(new_failed=False, old=None, legacy=None),
        sample(new_failed=False, old=False, legacy=0.1, source=Arm.CANDIDATE),
    ]
    rows = told(evidence_tables.shadow_samples(given, now_seconds=100.0))
    assert [row["failed"] for row in rows] == ["nobody", "candidate", "legacy", "both", "nobody"]
    assert [row["asked_again"] for row in rows] == [1, 1, 1, 1, 0]
