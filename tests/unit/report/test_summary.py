import json
import shutil
from dataclasses import replace

import pytest

from turnout.fabric.state import State
from turnout.report.facts import ClientCall
from turnout.report.gathering import gather
from turnout.report.outcomes import Span
from turnout.report.summary import during, summarise


@pytest.fixture(scope="module")
def summary(stories):
    """The three stories, summed up and read back as a program would."""
    return json.loads(summarise(gather(stories.sources())).model_dump_json(by_alias=True))


def _entry(summary, attempt):
    return next(e for e in summary["models"] if e["attempt"] == attempt)


def test_one_entry_an_attempt_with_its_outcome(summary):
    """Each attempt has its own entry: a second attempt does not hide the first."""
    assert {e["attempt"]: e["outcome"] for e in summary["models"]} == {
        "iris-1": "cut_over", "cancer-1": "stopped_in_shadow", "cancer-2": "cut_over",
        "diabetes-1": "rolled_back",
    }  # fmt: skip


def test_the_agreed_shape(summary):
    """Programs find every agreed field under its agreed name."""
    assert {"wall_seconds", "client", "models"} <= summary.keys()
    assert summary["client"].keys() == {"requests", "failures"}
    agreed = {
        "name", "outcome", "from", "to", "client_failures", "detection_seconds", "rollback_seconds", "gates",
        "baseline", "candidate",
    }  # fmt: skip
    assert all(agreed <= e.keys() for e in summary["models"])
    assert _entry(summary, "cancer-2")["from"] == "KServe (kserve-mlserver, V2)"
    assert _entry(summary, "iris-1")["to"] == "Triton behind Ray Serve"


def test_client_requests_are_the_clients_own(summary, stories):
    """The total is what the clients wrote down, line by line."""
    files = (stories.root / "client").glob("*.jsonl")
    assert summary["client"]["requests"] == sum(len(file.read_text().splitlines()) for file in files)
    assert summary["client"]["failures"] == 0


def test_detection_and_rollback_of_the_breach(summary):
    """Seconds from the first failure to the verdict, and on to the candidate's last request."""
    found = _entry(summary, "diabetes-1")
    assert found["signal"] == "errors"
    assert 0 < found["detection_seconds"] <= 6.4
    assert 0 <= found["rollback_seconds"] <= 0.06


def test_null_where_it_does_not_apply(summary):
    """A cutover has neither detection nor rollback; a stop in shadow has no request to take back."""
    for attempt in ("iris-1", "cancer-1", "cancer-2"):
        found = _entry(summary, attempt)
        assert (found["detection_seconds"], found["rollback_seconds"]) == (None, None)


def test_refused_answers_are_listed(summary):
    """Whoever tried a used code finds it in the report."""
    gates = _entry(summary, "iris-1")["gates"]
    assert [(g["gate"], g["owner"], g["decision"]) for g in gates] == [
        ("canary", "ana", "refused"), ("canary", "ana", "approve"), ("cutover", "ana", "approve"),
    ]  # fmt: skip


def test_a_candidate_without_clients_is_measured_by_its_replays(summary):
    """What was stopped in shadow has figures, and they say where they come from."""
    found = _entry(summary, "cancer-1")["candidate"]
    assert found["requests"] == 200
    assert "replays" in found["source"]
    assert found["latency_seconds"]["p50"]["low"] <= found["latency_seconds"]["p50"]["estimate"]


def test_rescued_requests_are_the_candidates_failures(summary):
    """Clients saw nothing, and the candidate's error rate says what they were spared."""
    found = _entry(summary, "diabetes-1")
    assert found["client_failures"] == 0
    assert found["candidate"]["error_rate"]["estimate"] > 0
    assert found["baseline"]["error_rate"]["estimate"] == 0


@pytest.mark.parametrize(
    "missing", ["client", "routes", "comparisons", "sentinel", "work", "approvals", "attempts"]
)
def test_any_part_may_be_missing(one_story, missing, tmp_path):
    """Whatever is lost, the attempt has its entry and says that it was taken back."""
    shutil.copytree(one_story.root, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / missing)
    found = summarise(gather(replace(one_story.sources(), state=State(tmp_path / "copy"))))
    assert [e.attempt for e in found.models] == ["diabetes-1"]
    assert found.models[0].outcome == "rolled_back"
    assert (found.client.requests == 0) == (missing == "client")


def test_failures_belong_to_the_attempt_they_were_under_way_in():
    """A request that failed across an attempt's edge counts; one that was over before does not."""
    calls = (ClientCall(1.0, 2.0, ok=False), ClientCall(2.5, 3.5, ok=False), ClientCall(9.0, 9.1, ok=False))
    assert during(calls, Span(3.0, 8.0, over=True)) == [calls[1]]


def test_the_callers_wall_time_is_kept(stage):
    """The demo has measured how long it took; the clients' records span less."""
    assert summarise(gather(stage.sources()), 321.0).wall_seconds == 321.0
    assert summarise(gather(stage.sources())).wall_seconds is None
