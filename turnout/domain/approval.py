"""Who let a migration pass a gate, and over which evidence."""

from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from turnout.domain.errors import RefusedError


class Gate(StrEnum):
    """The gates of a migration."""

    CANARY = "canary"
    CUTOVER = "cutover"
    EXTEND = "extend"
    """Not enough evidence after a step's longest time: the owner decides whether to wait on."""
    RETIRE = "retire"
    """Legacy may be scaled down, and the new servers stand alone."""


class Decision(StrEnum):
    """What was decided. A refused code decides nothing; it is recorded and the gate still waits."""

    APPROVE = "approve"
    REJECT = "reject"
    REFUSED = "refused"


class Approval(BaseModel):
    """One answer at a gate, as recorded.

    Attributes:
        ask: Number of the question at this gate, from 1; each is answered once.
        owner: Who answered; for a gate passed on evidence alone: "policy".
        reason: The owner's words, or why the code was refused.
        evidence_digest: Digest of the evidence that was shown.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    attempt: str
    gate: Gate
    ask: int
    owner: str
    decision: Decision
    reason: str
    evidence_digest: str
    at_seconds: float


class Approvals(Protocol):
    """The record of answers, kept outside Prefect and MLflow."""

    def record(self, approval: Approval) -> None:
        """Keep an answer; each ask of a gate is answered once.

        Raises:
            RefusedError: This ask has an answer already.
        """

    def answers(self, attempt: str, gate: Gate) -> list[Approval]:
        """Return all answers at a gate in the order of their asks."""


def require(answers: list[Approval], *, attempt: str, gate: Gate, evidence_digest: str) -> Approval:
    """Return the approval of this very evidence.

    Raises:
        RefusedError: There is none, or the last decision was a rejection.
    """
    decided = [
        a for a in answers if a.decision is not Decision.REFUSED and a.evidence_digest == evidence_digest
    ]
    if decided and decided[-1].decision is Decision.APPROVE:
        return decided[-1]
    seen = (
        f"the last decision is {decided[-1].decision}"
        if decided
        else f"{len(answers)} answers, none decides it"
    )
    raise RefusedError(
        f"gate {gate} of {attempt}",
        observed=seen,
        limit=f"the owner's approval of evidence {evidence_digest[:12]}",
        remedy="Answer the gate on the migration's run page with the owner's code.",
    )
