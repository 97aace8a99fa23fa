"""What a phase found, as one record written once and checked against its digest when read."""

import hashlib
import json
from enum import StrEnum
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field


class Verdict(StrEnum):
    """What a phase concluded. No data is never a pass."""

    PASS = "pass"  # noqa: S105 -- a verdict, not a password
    HOLD = "hold"
    FAIL = "fail"


class Phase(StrEnum):
    """The phases of a migration, in their order."""

    DISCOVER = "discover"
    PLAN = "plan"
    BASELINE = "baseline"
    PACKAGE = "package"
    DEPLOY = "deploy"
    SHADOW = "shadow"
    CANARY = "canary"
    CUTOVER = "cutover"
    RETIRE = "retire"
    ROLLBACK = "rollback"


def digest_of(document: Any) -> str:
    """SHA-256, in hexadecimal, of a JSON document in canonical form (sorted keys, no spaces)."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class Evidence(BaseModel):
    """One finding.

    Attributes:
        subject: The model (or "estate").
        phase: The phase that found it.
        attempt: The attempt that it belongs to; None for findings about legacy alone.
        inputs_digest: Digest of everything that the finding depends on.
        measurements: What was measured: JSON values, names with units.
        bounds: What it was held against.
        verdict: Pass, hold or fail.
        reasons: Why, one line each.
        code_version: Version of Turnout that found it.
        at_seconds: When, Unix time.
    """

    model_config = ConfigDict(frozen=True)

    subject: str
    phase: Phase
    attempt: str | None
    inputs_digest: str
    measurements: dict[str, Any] = Field(default_factory=dict)
    bounds: dict[str, Any] = Field(default_factory=dict)
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    code_version: str
    at_seconds: float

    @property
    def digest(self) -> str:
        """Digest of the whole record; approvals are bound to it."""
        return digest_of(self.model_dump(mode="json"))


class EvidenceStore(Protocol):
    """Where evidence is kept. The MLflow one and the in-memory one pass the same tests."""

    def write(self, evidence: Evidence) -> str:
        """Keep a record and return its digest; writing the same record again changes nothing."""

    def history(self, subject: str, phase: Phase | None = None, attempt: str | None = None) -> list[Evidence]:
        """Return what is kept about a subject, oldest first, each checked against its digest.

        Raises:
            PermanentError: A record does not match its digest.
            UnreachableError: The store does not answer.
        """


def fresh_pass(history: list[Evidence], inputs_digest: str) -> Evidence | None:
    """Return the newest passing evidence for these very inputs, or None: then the phase has to measure."""
    passing = [e for e in history if e.verdict is Verdict.PASS and e.inputs_digest == inputs_digest]
    return passing[-1] if passing else None
