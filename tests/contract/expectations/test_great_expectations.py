"""Evidence held against its suites by the real Great Expectations, in the process that phases use."""

import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from turnout.domain import default_suites, evidence_tables
from turnout.domain.contract import Contract, Rollout, SameAnswer
from turnout.domain.errors import InvalidInputError, TemporaryError
from turnout.domain.expectations import Check, Evidenced, SuiteResult, Table
from turnout.domain.golden import Usable, choose, usable
from turnout.domain.requests import Arm, ComparisonRecord, RequestRecord
from turnout.fabric import suites
from turnout.fabric.state import State
from turnout.fabric.validator import GreatExpectations

NOW = 10_000.0
CONTRACT = Contract(
    model="iris", wire="v1", inputs=(), outputs=(), same_answer=SameAnswer(kind="labels"),
    rollout=Rollout(shadow_samples=60),
)  # fmt: skip

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    """A state directory."""
    return State(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def expecting(state: State) -> Iterator[GreatExpectations]:
    """Great Expectations, loaded once."""
    validator = GreatExpectations(state)
    validator.warm()
    yield validator
    assert validator._child is not None
    process = validator._child._process
    validator.close()
    assert process.poll() is not None


def captures(count: int = 120, *, first: float = 0.0, classes: int = 3, at: float = NOW - 60) -> list[dict]:
    """Exchanges of a model with two inputs."""
    chance = random.Random(count)
    asked = [[first + number, chance.uniform(-1, 1)] for number in range(count)]
    return [
        {
            "at": at + number / 20, "arm": "legacy", "method": "POST", "path": "/v1/models/iris:predict",
            "status": 200, "request": json.dumps({"instances": [row]}),
            "response": json.dumps({"predictions": [number % classes]}),
        }
        for number, row in enumerate(asked)
    ]  # fmt: skip


def found(lines: list[dict]) -> list[Usable]:
    """Those that can be used."""
    return [one for line in lines if (one := usable(line, CONTRACT))]


def requests(count: int = 300, *, seconds: float = 0.01, status: int = 200, at: float = NOW - 60) -> Table:
    """Legacy's requests."""
    made = [
        RequestRecord(
            request_id=str(n), model="iris", attempt=None, route_version="1", arm=Arm.LEGACY, weight=0.0,
            started_seconds=at + n / 20, duration_seconds=seconds, status=status, answered_by=Arm.LEGACY,
        )
        for n in range(count)
    ]  # fmt: skip
    return evidence_tables.baseline(made, streaming=False, now_seconds=NOW)


def samples(count: int = 80, *, failed: int = 0, asked_again: int | None = None) -> Table:
    """Compared replays."""
    again = count if asked_again is None else asked_again
    made = [
        ComparisonRecord(
            model="iris", attempt="iris-1", at_seconds=NOW - count + n, captured_from=Arm.LEGACY,
            new_differs=False, old_differs=False if n < again else None, new_failed=n < failed, distance=0.0,
            legacy_seconds=0.01, candidate_seconds=0.01,
        )
        for n in range(count)
    ]  # fmt: skip
    return evidence_tables.shadow_samples(made, now_seconds=NOW)


def traffic(lines: list[dict]) -> Table:
    """The captured traffic."""
    good = found(lines)
    used = {id(one.capture) for one in good}
    return evidence_tables.captured_traffic(good, [x for x in lines if id(x) not in used], now_seconds=NOW)


def golden(lines: list[dict]) -> Table:
    """The golden set that is chosen from it."""
    return evidence_tables.golden_set([one.capture for one in choose(found(lines))])


def held(expecting: GreatExpectations, folder: Path, table: Table, run: str | None = None) -> SuiteResult:
    """Hold a table against the suite that stands in a folder, its defaults where none does."""
    suite = suites.load(folder, CONTRACT, table.name)
    assert suite is not None
    (result,) = expecting.validate(
        "iris", [Check(table, *suite)], default_suites.parameters(CONTRACT), run=run
    )
    return result


def _sound() -> list[Table]:
    lines = captures()
    good = found(lines)
    return [
        traffic(lines),
        golden(lines),
        evidence_tables.golden_classes(good, choose(good)),
        evidence_tables.golden_inputs(good, choose(good)),
        requests(),
        samples(),
    ]


def test_ordinary_evidence_meets_every_default(expecting, tmp_path):
    """What a model in production shows is sufficient and sound as the defaults have it."""
    for table in _sound():
        assert held(expecting, tmp_path, table).unmet == (), table.name
    assert {table.name for table in _sound()} == set(Evidenced)


def test_a_clock_that_jumped_for_a_moment_holds_nothing(expecting, tmp_path):
    """A few exchanges stamped an hour ahead are no reason to wait for that hour."""
    table = traffic([*captures(), *captures(3, at=NOW + 3600)])
    assert held(expecting, tmp_path, table).unmet == ()


UNSOUND = {
    "too few captures": (traffic(captures(59)), "expect_column_sum_to_be_between(usable)"),
    "old captures": (traffic(captures(at=NOW - 9000)), "expect_column_min_to_be_between(age_seconds)"),
    "captures of tomorrow": (
        traffic(captures(at=NOW + 9)),
        "expect_column_values_to_be_between(age_seconds)",
    ),
    "too few questions": (golden(captures(19)), "expect_table_row_count_to_be_between"),
    "one class": (
        evidence_tables.golden_classes(found(captures(classes=1)), choose(found(captures(classes=1)))),
        "expect_table_row_count_to_be_between",
    ),
    "a class left out": (
        evidence_tables.golden_classes(found(captures()), found(captures())[:2]),
        "expect_column_values_to_be_between(golden)",
    ),
    "a range left out": (
        evidence_tables.golden_inputs(found(captures()), found(captures())[:40]),
        "expect_column_pair_values_a_to_be_greater_than_b(golden_highest)",
    ),
    "too few requests": (requests(199), "expect_table_row_count_to_be_between"),
    "negative durations": (requests(seconds=-1.0), "expect_column_values_to_be_between(duration_seconds)"),
    "endless durations": (requests(seconds=900.0), "expect_column_values_to_be_between(duration_seconds)"),
    "slow by its own bound": (requests(seconds=0.8), "expect_column_median_to_be_between(latency_seconds)"),
    "requests of tomorrow": (requests(at=NOW + 9), "expect_column_values_to_be_between(age_seconds)"),
    "legacy fails": (requests(status=503), "expect_column_values_to_be_in_set(answered)"),
    "too few samples": (samples(59), "expect_table_row_count_to_be_between"),
    "failed replays": (samples(failed=9), "expect_column_values_to_be_in_set(failed)"),
    "no noise floor": (samples(asked_again=9), "expect_column_mean_to_be_between(asked_again)"),
    "nothing": (requests(0), "expect_table_row_count_to_be_between"),
}


@pytest.mark.parametrize("which", UNSOUND)
def test_what_is_not_sufficient_or_sound_is_named(expecting, tmp_path, which):
    """Each default finds what it is there for, and says at which line of which file it stands."""
    table, expected = UNSOUND[which]
    reasons = [one.reason for one in held(expecting, tmp_path, table).unmet]
    (named,) = [reason for reason in reasons if reason.startswith(f"{table.name}: {expected} ")]
    assert f"{tmp_path}/iris/{table.name}.yaml:" in named


def test_the_rows_are_named_and_shown(expecting, tmp_path):
    """An owner sees which exchanges it is about, and the first of them."""
    lines = captures()
    for number in (7, 30, 31):
        lines[number]["request"] = json.dumps({"instances": [[None, 1.0]]})
    (unmet,) = held(expecting, tmp_path, traffic(lines)).unmet
    assert (unmet.column, unmet.rows, unmet.observed) == ("null_inputs", (7, 30, 31), "3 of 120 rows do not")
    assert "[[null, 1.0]]" in unmet.excerpt


def suite(folder: Path, text: str) -> Path:
    """An owner's suite of the baseline."""
    file = suites.suite_file(folder, "iris", Evidenced.BASELINE)
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file


def test_an_owners_suite_is_what_counts(expecting, tmp_path):
    """Edited bounds hold, with any expectation that Great Expectations knows; the file is not touched."""
    text = """\
expectations:
  - type: expect_table_row_count_to_be_between
    kwargs: {min_value: 1000}
  - {type: expect_column_values_to_be_between, kwargs: {column: status, max_value: 299}}
  - {type: expect_column_max_to_be_between, kwargs: {column: duration_seconds, max_value: 0.005}}
  - {type: expect_column_quantile_values_to_be_between,
     kwargs: {column: duration_seconds, quantile_ranges: {quantiles: [0.9], value_ranges: [[1, 2]]}}}
"""
    file = suite(tmp_path, text)
    unmet = held(expecting, tmp_path, requests(), run="edited").unmet
    assert [(one.observed, one.where.rpartition(":")[2]) for one in unmet] == [
        ("observed 300", "2"),
        ("observed 0.01", "5"),
        ('observed {"quantiles": [0.9], "values": [0.01]}', "6"),
    ]
    assert file.read_text() == text


def test_an_expectation_on_nothing_is_not_met(expecting, tmp_path):
    """No data is never a pass, although Great Expectations takes a column without values for fine."""
    suite(tmp_path, "expectations:\n- {type: expect_column_values_to_be_between,"
                    " kwargs: {column: latency_seconds, max_value: 1}}\n")  # fmt: skip
    table = requests()
    column = table.columns.index("latency_seconds")
    rows = [(*row[:column], None, *row[column + 1 :]) for row in table.rows]
    (unmet,) = held(expecting, tmp_path, Table(table.name, table.columns, rows)).unmet
    assert unmet.observed == "no value to look at"


@pytest.mark.parametrize(
    ("expectation", "said"),
    [
        ("{type: expect_columns_to_be_nice}", "expect_columns_to_be_nice not found"),
        ("{type: expect_column_values_to_be_between, kwargs: {column: age, min_value: 1}}", "column 'age'"),
        ("{type: expect_column_values_to_be_between, kwargs: {column: status, min: 1}}", "min"),
        ("{type: expect_column_max_to_be_between, kwargs: {column: status, max_value: x}}", "max_value"),
        ("{type: expect_table_row_count_to_be_between, kwargs: {min_value: {$PARAMETER: many}}}", "many"),
        ("{type: expect_column_mean_to_be_between, kwargs: {column: row, min_value: 1}, why: 1}", "why"),
        ("{type: drop_table}", "type"),
    ],
)
def test_a_suite_that_cannot_be_used_is_one_clear_error(expecting, tmp_path, expectation, said):
    """File, line and remedy: a bad suite is neither a pass nor a crash."""
    good = "{type: expect_table_row_count_to_be_between, kwargs: {min_value: 1}}"
    suite(tmp_path, f"# the owner's\nexpectations:\n- {good}\n- {expectation}\n")
    with pytest.raises(InvalidInputError) as refused:
        held(expecting, tmp_path, requests())
    assert refused.value.subject == f"{tmp_path}/iris/baseline.yaml:4"
    assert said in refused.value.observed
    assert refused.value.remedy


@pytest.mark.parametrize("table", [requests(), requests(0)], ids=["with rows", "without"])
def test_a_wrong_expectation_is_told_without_data_too(expecting, tmp_path, table):
    """An owner learns of a mistake at once, not when data has come."""
    suite(tmp_path, "expectations:\n- {type: expect_column_to_exist, kwargs: {column: nothing}}\n")
    with pytest.raises(InvalidInputError, match="nothing"):
        held(expecting, tmp_path, table)


def test_data_docs_tell_of_every_run(expecting, state, tmp_path):
    """A static site with a page for each result; pages of earlier runs stay."""
    pages = [held(expecting, tmp_path, requests(299), run=run).page for run in ("baseline", "again")]
    for page in pages:
        assert page is not None
        assert "299" in (state.data_docs / page).read_text()
    index = (state.data_docs / "iris" / "index.html").read_text()
    assert "again" in index
    assert "baseline" in index
    assert held(expecting, tmp_path, requests()).page is None


def test_one_that_dies_is_started_again(expecting, tmp_path):
    """A killed process is an error that is tried again, and the next question is answered."""
    expecting.warm()
    assert expecting._child is not None
    os.kill(expecting._child._process.pid, signal.SIGKILL)
    with pytest.raises(TemporaryError, match="gave no answer"):
        held(expecting, tmp_path, requests())
    assert held(expecting, tmp_path, requests()).unmet == ()
