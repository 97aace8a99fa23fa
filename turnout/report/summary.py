"""`summary.json`: the outcome of every attempt, for programs; the page shows the same numbers."""

from pydantic import BaseModel, ConfigDict, Field

from turnout.domain.approval import Approval
from turnout.domain.contract import Bounds
from turnout.domain.outcomes import CountingRules
from turnout.domain.requests import Arm
from turnout.domain.route import RoutePolicy
from turnout.report import arms, timing
from turnout.report.arms import ArmFigures
from turnout.report.facts import AttemptFacts, ClientCall, Facts, ModelFacts
from turnout.report.naming import from_server, to_server
from turnout.report.outcomes import Outcome, Span, ending, outcome, span


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True)


class ClientTotal(_Entry):
    """The clients' own count over all models."""

    requests: int
    failures: int


class GateEntry(_Entry):
    """One answer at a gate; `decision` is approve, reject or refused."""

    gate: str
    owner: str
    decision: str
    reason: str
    at_seconds: float


class AttemptEntry(_Entry):
    """One attempt.

    Attributes:
        name: The model.
        attempt: `MODEL-N`.
        outcome: cut_over, stopped_in_shadow, rolled_back, or one of the rarer ones of `Outcome`.
        from_: What serves the model before.
        to: What it was moved to.
        client_requests: Requests that the model's client finished during the attempt.
        client_failures: Of them, those that failed, by the client's own record.
        signal: The guarded signal that breached.
        detection_seconds: First failed candidate request of the fault to the sentinel's verdict.
        rollback_seconds: The verdict (where there was none, the operator's word) to the last request sent to
            the candidate.
        baseline: Legacy during the attempt.
        candidate: The candidate during the attempt.
    """

    name: str
    attempt: str
    outcome: Outcome
    from_: str = Field(serialization_alias="from")
    to: str
    client_requests: int
    client_failures: int
    signal: str | None
    detection_seconds: float | None
    rollback_seconds: float | None
    gates: tuple[GateEntry, ...]
    baseline: ArmFigures
    candidate: ArmFigures


class Summary(_Entry):
    """Everything in one glance; `wall_seconds` is what the clients' records span unless it was given."""

    wall_seconds: float | None
    client: ClientTotal
    models: tuple[AttemptEntry, ...]
    notes: tuple[str, ...] = ()


def summarise(facts: Facts, wall_seconds: float | None = None) -> Summary:
    """Sum up what was read, an entry an attempt, in the order in which they started."""
    calls = [c for m in facts.models for c in m.calls]
    spans = [(span(m, a, facts.last_seconds), m, a) for m in facts.models for a in m.attempts]
    entries = tuple(entry(m, a, s) for s, m, a in sorted(spans, key=lambda s: (s[0].start_seconds, s[2].id)))
    return Summary(
        wall_seconds=_wall(calls) if wall_seconds is None else wall_seconds,
        client=ClientTotal(requests=len(calls), failures=sum(not c.ok for c in calls)),
        models=entries,
        notes=facts.notes,
    )


def entry(model: ModelFacts, attempt: AttemptFacts, life: Span) -> AttemptEntry:
    """Sum up one attempt."""
    calls = during(model.calls, life)
    detected, rolled_back = _timings(model, attempt)
    return AttemptEntry(
        name=model.name,
        attempt=attempt.id,
        outcome=outcome(model, attempt),
        from_=from_server(model),
        to=to_server(model, attempt),
        client_requests=len(calls),
        client_failures=sum(not c.ok for c in calls),
        signal=attempt.breach.signal if attempt.breach else None,
        detection_seconds=detected,
        rollback_seconds=rolled_back,
        gates=tuple(_gate(a) for a in attempt.approvals),
        baseline=arms.with_server(arms.baseline(model, life), attempt, Arm.LEGACY),
        candidate=arms.with_server(arms.candidate(model, attempt), attempt, Arm.CANDIDATE),
    )


def during(calls: tuple[ClientCall, ...], life: Span) -> list[ClientCall]:
    """The calls that were under way at some moment of an attempt's life."""
    return [
        c for c in calls
        if c.finished_seconds >= life.start_seconds and c.scheduled_seconds <= life.end_seconds
    ]  # fmt: skip


def _timings(model: ModelFacts, attempt: AttemptFacts) -> tuple[float | None, float | None]:
    """Detection and rollback; both None where nothing was taken back."""
    own = tuple(r for r in model.requests if r.attempt == attempt.id)
    if attempt.breach is None:
        end = ending(model, attempt)
        return None, timing.rollback_seconds(own, end.at_seconds) if end else None
    verdict = attempt.breach.at_seconds
    if attempt.breach.signal is None:
        return None, timing.rollback_seconds(own, verdict)
    bounds = model.contract.bounds if model.contract else Bounds()
    rules = CountingRules.of(bounds, model.contract.policy if model.contract else RoutePolicy())
    made = timing.trials(attempt.breach.signal, own, attempt.comparisons, rules)
    first = timing.fault_start(made, verdict, attempt.fault_seconds)
    return None if first is None else verdict - first, timing.rollback_seconds(own, verdict)


def _gate(answer: Approval) -> GateEntry:
    return GateEntry(
        gate=answer.gate, owner=answer.owner, decision=answer.decision, reason=answer.reason,
        at_seconds=answer.at_seconds,
    )  # fmt: skip


def _wall(calls: list[ClientCall]) -> float | None:
    if not calls:
        return None
    return max(c.finished_seconds for c in calls) - min(c.scheduled_seconds for c in calls)
