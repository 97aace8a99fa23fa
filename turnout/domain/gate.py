"""What a gate does next: pure decisions over its record of answers and a new one.

A gate's asks are numbered from 1. Each is answered once; a refused code decides nothing: it asks again.
Called by `flows.gate`, which suspends the run between two asks.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from turnout.domain.approval import Approval, Decision, Gate
from turnout.domain.contract import Contract
from turnout.domain.evidence import Evidence, Verdict
from turnout.domain.workload import Criticality

POLICY = "policy"
"""Owner named in the record of a gate that was passed on evidence alone."""


class Ask(BaseModel):
    """A question to an owner, with the evidence as it was frozen for it.

    Attributes:
        number: From 1, counted over all answers at this gate of this attempt.
        owner: Who has to answer.
        evidence: What is shown; the answer is bound to its digest.
        note: Why it is asked again, or empty.
        run: Id of the suspended Prefect run that carries the form.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    attempt: str
    gate: Gate
    number: int
    owner: str
    evidence: Evidence
    note: str = ""
    run: str | None = None

    @property
    def key(self) -> str:
        """Name of the form in Prefect: letters, digits and dashes."""
        return f"{self.attempt}-{self.gate}-{self.number}"


class Answer(BaseModel):
    """What came out of the form.

    Attributes:
        decision: Approve or reject.
        code: The one-time code, as typed.
        reason: The owner's words.
    """

    model_config = ConfigDict(frozen=True)

    decision: Decision
    code: str
    reason: str


class CodeCheck(BaseModel):
    """Whether a one-time code was accepted, and if not, why."""

    model_config = ConfigDict(frozen=True)

    accepted: bool
    reason: str = ""


class Course(StrEnum):
    """Where a gate stands."""

    PASSED = "passed"
    REJECTED = "rejected"
    WAITING = "waiting"


class Standing(BaseModel):
    """Where a gate stands by its record.

    Attributes:
        course: Passed, rejected, or waiting for an answer.
        number: Of the ask that is open, or of the one that decided.
        note: Why it is asked again: the reason of the last refusal.
    """

    model_config = ConfigDict(frozen=True)

    course: Course
    number: int
    note: str = ""


def standing(answers: list[Approval], evidence_digest: str) -> Standing:
    """Say where a gate stands: the last decision over this very evidence counts, refusals decide nothing."""
    decided = [
        a for a in answers if a.decision is not Decision.REFUSED and a.evidence_digest == evidence_digest
    ]
    if decided:
        last = decided[-1]
        course = Course.PASSED if last.decision is Decision.APPROVE else Course.REJECTED
        return Standing(course=course, number=last.ask, note=last.reason)
    number = 1 + max((a.ask for a in answers), default=0)
    refused = bool(answers) and answers[-1].decision is Decision.REFUSED
    return Standing(course=Course.WAITING, number=number, note=answers[-1].reason if refused else "")


def judged(ask: Ask, answer: Answer | None, check: CodeCheck, at_seconds: float) -> Approval:
    """Turn what came out of the form into the record of this ask.

    Args:
        ask: The question.
        answer: None where the run was resumed without an answer, or with one that is not of the form.
        check: Of the code in the answer.
        at_seconds: When, Unix time.
    """
    if answer is None:
        decision, reason = Decision.REFUSED, "the run was resumed without a filled-in form"
    elif not check.accepted:
        decision, reason = Decision.REFUSED, check.reason
    else:
        decision, reason = answer.decision, answer.reason
    return Approval(
        model=ask.model,
        attempt=ask.attempt,
        gate=ask.gate,
        ask=ask.number,
        owner=ask.owner,
        decision=decision,
        reason=reason,
        evidence_digest=ask.evidence.digest,
        at_seconds=at_seconds,
    )


def policy_passes(
    contract: Contract, criticality: Criticality | None, gate: Gate, evidence: Evidence
) -> bool:
    """Whether a gate is passed on evidence alone.

    Only where the contract says so, the model is known to be of low criticality (unknown is not low), and
    the evidence passes. More time for a step (`extend`) is always the owner's word: it lacks evidence. So is
    the end of legacy (`retire`): what is gone is no way back.
    """
    return (
        contract.gates_on_evidence
        and criticality is Criticality.LOW
        and gate in (Gate.CANARY, Gate.CUTOVER)
        and evidence.verdict is Verdict.PASS
    )


def by_policy(ask: Ask, at_seconds: float) -> Approval:
    """Record that a gate was passed on evidence alone."""
    return Approval(
        model=ask.model,
        attempt=ask.attempt,
        gate=ask.gate,
        ask=ask.number,
        owner=POLICY,
        decision=Decision.APPROVE,
        reason="low criticality, and the contract lets the evidence decide (gates_on_evidence)",
        evidence_digest=ask.evidence.digest,
        at_seconds=at_seconds,
    )
