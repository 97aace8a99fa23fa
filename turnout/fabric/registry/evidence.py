"""Evidence: one MLflow run a record, the record itself as its artifact `evidence.json`.

Tags say what a record is about, so that it is found, and hold its digest, so that a changed one is noticed.
A run counts once it is finished: what a killed process left half-written is written anew, and never read.
"""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from turnout.domain.errors import PermanentError
from turnout.domain.evidence import Evidence, Phase
from turnout.fabric.registry.connection import Connection

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "turnout-evidence"
FILE = "evidence.json"


class MemoryEvidence:
    """Evidence in this process alone, for tests."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._records: dict[str, str] = {}

    def write(self, evidence: Evidence) -> str:
        """Keep a record and return its digest; writing the same record again changes nothing."""
        self._records.setdefault(evidence.digest, _text(evidence))
        return evidence.digest

    def history(self, subject: str, phase: Phase | None = None, attempt: str | None = None) -> list[Evidence]:
        """Return what is kept about a subject, oldest first."""
        records = [_checked(digest, text) for digest, text in self._records.items()]
        wanted = [
            e
            for e in records
            if e.subject == subject and phase in (None, e.phase) and attempt in (None, e.attempt)
        ]
        return sorted(wanted, key=_age)


class MlflowEvidence:
    """Evidence in an MLflow server.

    Args:
        url: URL of the server.
    """

    def __init__(self, url: str) -> None:
        """Remember where it is; nothing is called yet."""
        self._mlflow = Connection(url)
        self._read: dict[str, Evidence] = {}

    def write(self, evidence: Evidence) -> str:
        """Keep a record and return its digest; writing the same record again changes nothing.

        Raises:
            UnreachableError: MLflow does not answer.
        """
        with self._mlflow.client() as client:
            if not self._runs(client, {"digest": evidence.digest}):
                self._keep(client, evidence)
        return evidence.digest

    def history(self, subject: str, phase: Phase | None = None, attempt: str | None = None) -> list[Evidence]:
        """Return what is kept about a subject, oldest first, each checked against its digest.

        Raises:
            PermanentError: A record does not match its digest.
            UnreachableError: MLflow does not answer.
        """
        about = {"subject": subject, "phase": phase, "attempt": attempt}
        with self._mlflow.client() as client:
            runs = self._runs(client, {name: value for name, value in about.items() if value is not None})
            found = {run.data.tags["turnout.digest"]: self._fetch(run) for run in runs}
        return sorted(found.values(), key=_age)

    def _keep(self, client: "MlflowClient", evidence: Evidence) -> None:
        name = f"{evidence.subject} {evidence.phase}"
        experiment = self._mlflow.experiment(EXPERIMENT)
        run_id = client.create_run(experiment, run_name=name, tags=_tags(evidence)).info.run_id
        client.log_text(run_id, _text(evidence), FILE)
        client.set_terminated(run_id)

    def _runs(self, client: "MlflowClient", tags: dict[str, str]) -> list[Any]:
        wanted = " and ".join(f"tags.`turnout.{name}` = '{value}'" for name, value in tags.items())
        found: list[Any] = []
        token = None
        while True:
            page = client.search_runs(
                [self._mlflow.experiment(EXPERIMENT)],
                f"{wanted} and attributes.status = 'FINISHED'",
                page_token=token,
            )
            found += page
            if not (token := page.token):
                return found

    def _fetch(self, run: Any) -> Evidence:
        """Read a run's record, once: a record never changes."""
        digest = run.data.tags["turnout.digest"]
        if digest not in self._read:
            with tempfile.TemporaryDirectory() as directory:
                text = self._mlflow.download(run.info.run_id, FILE, Path(directory)).read_text()
            self._read[digest] = _checked(digest, text)
        return self._read[digest].model_copy(deep=True)


def _tags(evidence: Evidence) -> dict[str, str]:
    about = {
        "subject": evidence.subject,
        "phase": evidence.phase,
        "attempt": evidence.attempt,
        "inputs": evidence.inputs_digest,
        "verdict": evidence.verdict,
        "digest": evidence.digest,
        "code_version": evidence.code_version,
    }
    return {f"turnout.{name}": str(value) for name, value in about.items() if value is not None}


def _text(evidence: Evidence) -> str:
    return json.dumps(evidence.model_dump(mode="json"), indent=2)


def _checked(digest: str, text: str) -> Evidence:
    """Parse a record and hold it against its digest."""
    try:
        evidence = Evidence.model_validate_json(text)
    except ValueError:
        evidence = None
    if evidence is None or evidence.digest != digest:
        raise PermanentError(
            f"evidence {digest[:12]}",
            observed="a record that does not match its digest",
            limit="the record as it was written",
            remedy="It was changed after it was written: measure again, and find out who changed it.",
        )
    return evidence


def _age(evidence: Evidence) -> float:
    return evidence.at_seconds
