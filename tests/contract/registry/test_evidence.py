"""The evidence store in memory and the one in a real MLflow server keep the same promises."""

import itertools
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from turnout.domain.errors import PermanentError, UnreachableError
from turnout.domain.evidence import Evidence, EvidenceStore, Phase, Verdict, fresh_pass
from turnout.fabric.registry.evidence import FILE, MemoryEvidence, MlflowEvidence

_NUMBERS = itertools.count()


@pytest.fixture(params=["memory", "mlflow"])
def store(request) -> EvidenceStore:
    """Each of the two stores."""
    return (
        MemoryEvidence()
        if request.param == "memory"
        else MlflowEvidence(request.getfixturevalue("mlflow_url"))
    )


@pytest.fixture
def subject() -> str:
    """A subject that no other test writes about."""
    return f"model-{next(_NUMBERS)}"


def made(subject: str, **changes: Any) -> Evidence:
    """One record."""
    parts: dict[str, Any] = {
        "subject": subject,
        "phase": Phase.SHADOW,
        "attempt": f"{subject}-1",
        "inputs_digest": "abc",
        "measurements": {
            "compared": 200,
            "latency_seconds": {"p50": 0.004},
            "examples": ["é", None, [1, 2.0]],
        },
        "bounds": {"differs": 0.01},
        "verdict": Verdict.PASS,
        "reasons": ("200 of 200 answers are the same",),
        "code_version": "0.1.0",
        "at_seconds": 1_000.5,
    }
    return Evidence(**{**parts, **changes})


def test_what_was_written_is_read_back_unchanged(store, subject):
    """A record comes back as it was written, with the same digest."""
    record = made(subject)
    assert store.write(record) == record.digest
    assert store.history(subject) == [record]
    assert store.history(subject)[0].digest == record.digest


def test_writing_twice_changes_nothing(store, subject):
    """A flow that is started again may write what it has written."""
    for _ in range(2):
        store.write(made(subject))
    assert len(store.history(subject)) == 1


def test_history_is_in_order_of_the_finding(store, subject):
    """Oldest first, by when it was found and not by when it was written."""
    for at_seconds in (30.0, 10.0, 20.0):
        store.write(made(subject, at_seconds=at_seconds))
    assert [e.at_seconds for e in store.history(subject)] == [10.0, 20.0, 30.0]


def test_history_is_of_the_asked_phase_and_attempt(store, subject):
    """A phase asks for its own records and gets no others."""
    mine = made(subject, phase=Phase.CANARY)
    for record in (mine, made(subject), made(subject, phase=Phase.CANARY, attempt=f"{subject}-2")):
        store.write(record)
    assert store.history(subject, Phase.CANARY, f"{subject}-1") == [mine]
    assert store.history(f"{subject}-unknown") == []


def test_evidence_without_an_attempt_is_kept(store, subject):
    """What is found about legacy alone belongs to no attempt."""
    record = made(subject, phase=Phase.BASELINE, attempt=None)
    store.write(record)
    assert store.history(subject, Phase.BASELINE) == [record]


def test_a_large_record_is_kept_whole(store, subject):
    """Differing examples make a record larger than what fits in a tag."""
    record = made(subject, measurements={"examples": ["x" * 1_000] * 200})
    store.write(record)
    assert store.history(subject) == [record]


def test_fresh_passing_evidence_is_found(store, subject):
    """A phase is skipped on passing evidence for the same inputs, and on no other."""
    store.write(made(subject, verdict=Verdict.FAIL, inputs_digest="same"))
    assert fresh_pass(store.history(subject), "same") is None
    passing = made(subject, inputs_digest="same", at_seconds=2_000.0)
    store.write(passing)
    assert fresh_pass(store.history(subject), "same") == passing


def run_about(mlflow_client, subject):
    """The one run of MLflow that keeps a record about a subject."""
    experiment = mlflow_client.get_experiment_by_name("turnout-evidence")
    (run,) = mlflow_client.search_runs([experiment.experiment_id], f"tags.`turnout.subject` = '{subject}'")
    return run


def test_a_changed_record_is_noticed(mlflow_url, mlflow_client, subject):
    """Whoever changes a record in MLflow is found out when it is read."""
    record = made(subject, verdict=Verdict.FAIL)
    MlflowEvidence(mlflow_url).write(record)
    run = run_about(mlflow_client, subject)
    forged = record.model_copy(update={"verdict": Verdict.PASS})
    mlflow_client.log_text(run.info.run_id, forged.model_dump_json(), FILE)
    with pytest.raises(PermanentError, match="does not match its digest"):
        MlflowEvidence(mlflow_url).history(subject)


def test_a_record_that_does_not_come_is_asked_for_again(mlflow_url, mlflow_client, subject):
    """MLflow's client says of any file that it could not bring that its path is wrong; it may come later."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository  # noqa: PLC0415

    MlflowEvidence(mlflow_url).write(made(subject))
    run = run_about(mlflow_client, subject)
    get_artifact_repository(run.info.artifact_uri, mlflow_url).delete_artifacts(FILE)
    with pytest.raises(UnreachableError, match=f"{FILE} of its run"):
        MlflowEvidence(mlflow_url).history(subject)


def test_a_half_written_record_is_not_read(mlflow_url, mlflow_client, subject):
    """What a killed process left behind is no evidence, and does not keep the record from being written."""
    record = made(subject)
    store = MlflowEvidence(mlflow_url)
    store.write(made(f"{subject}-other"))  # makes the experiment
    experiment = mlflow_client.get_experiment_by_name("turnout-evidence")
    tags = {"turnout.subject": subject, "turnout.digest": record.digest}
    mlflow_client.create_run(experiment.experiment_id, tags=tags)
    assert store.history(subject) == []
    store.write(record)
    assert store.history(subject) == [record]


@pytest.fixture
def dead_url() -> str:
    """A URL where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def silent_url(monkeypatch) -> Iterator[str]:
    """A URL where somebody listens and never answers; the client waits a second."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("url", ["dead_url", "silent_url"])
def test_a_server_that_does_not_answer_is_unreachable(url, request, subject):
    """The error says so, well before MLflow's own minutes of retries."""
    with pytest.raises(UnreachableError, match="MLflow at"):
        MlflowEvidence(request.getfixturevalue(url)).write(made(subject))
