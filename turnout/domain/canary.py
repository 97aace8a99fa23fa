"""How one step of a canary stands: pure decisions over the sentinel's report and the time."""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

NEAR = 1e-9
"""Two weights closer than this are the same step."""


class SentinelReport(BaseModel):
    """What the sentinel says of an attempt.

    Attributes:
        armed: Whether it lets the candidate have traffic at all.
        weight: Candidate's weight that it judges under.
        verdict: breach, pass or undecided; pass counts for this weight only.
        signal: The signal that breached.
        evidence: For each signal, the evidence and its limits.
        step_looks: Looks since the weight was set.
        since_weight_seconds: Time since the weight was set.
        hold: Why it judges nothing now, or None.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    attempt: str
    armed: bool = False
    weight: float | None = None
    verdict: str = "undecided"
    signal: str | None = None
    evidence: dict[str, Any] = Field(default_factory=dict)
    step_looks: int = 0
    since_weight_seconds: float | None = None
    hold: str | None = None


class StepResult(BaseModel):
    """The numbers of one passed step.

    Attributes:
        weight: Candidate's weight.
        seconds: How long it took to pass.
        legacy: Counts of the legacy arm: requests, errors, slow.
        candidate: Counts of the candidate's arm: requests, errors, slow, rescued.
        pairs: Compared answers by outcome.
        signals: For each signal, the evidence and its limits.
    """

    model_config = ConfigDict(frozen=True)

    weight: float
    seconds: float
    legacy: dict[str, int] = Field(default_factory=dict)
    candidate: dict[str, int] = Field(default_factory=dict)
    pairs: dict[str, int] = Field(default_factory=dict)
    signals: dict[str, Any] = Field(default_factory=dict)


class StepCourse(StrEnum):
    """How a step stands."""

    PASSED = "passed"
    WAITING = "waiting"
    LATE = "late"
    OVER = "over"
    """The attempt was ended meanwhile: rolled back, or abandoned."""


def same_weight(one: float | None, other: float) -> bool:
    """Whether two weights are the same step."""
    return one is not None and abs(one - other) < NEAR


def course(
    report: SentinelReport | None, weight: float, *, waited_seconds: float, longest_seconds: float
) -> StepCourse:
    """Say how a step stands. A pass counts only for the weight that it was reached under.

    Args:
        report: What the sentinel says, None where it does not answer.
        weight: The step's weight.
        waited_seconds: Since the weight was set, or since the owner gave it more time.
        longest_seconds: From the contract.
    """
    if report and report.verdict == "pass" and same_weight(report.weight, weight):
        return StepCourse.PASSED
    return StepCourse.LATE if waited_seconds > longest_seconds else StepCourse.WAITING


CHOICE = (
    "approve to wait as long again at this weight, reject to go back to legacy; wider bounds are a new "
    "attempt under a changed contract"
)
"""What an owner can answer where evidence is lacking: only evidence takes a step on."""


def lacking(counts: dict[str, dict[str, int]]) -> str:
    """Say what there was to judge at a weight that neither passed nor breached.

    Args:
        counts: What `summed` found at this weight.
    """
    candidate, legacy = (counts[arm].get("requests", 0) for arm in ("candidate", "legacy"))
    seen = f"{candidate} of the candidate, {legacy} of legacy" if candidate or legacy else "none"
    return (
        f"not enough evidence at this weight within the contract's time (requests judged: {seen}): "
        "neither breach nor pass"
    )


def summed(looks: list[dict[str, Any]], weight: float) -> dict[str, dict[str, int]]:
    """Add up the counts of the looks under one weight, by part (legacy, candidate, pairs)."""
    total: dict[str, dict[str, int]] = {"legacy": {}, "candidate": {}, "pairs": {}}
    for look in looks:
        if not same_weight(look.get("weight"), weight):
            continue
        for part, counts in total.items():
            for name, count in (look.get(part) or {}).items():
                counts[name] = counts.get(name, 0) + (count or 0)
    return total
