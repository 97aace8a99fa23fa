"""The words of the page: what happened to an attempt in a sentence or two, and in which order."""

from dataclasses import dataclass

from turnout.domain.approval import Decision
from turnout.report.facts import AttemptFacts, ModelFacts
from turnout.report.outcomes import Outcome, Span, ending, events_of
from turnout.report.summary import AttemptEntry

WORDS = {
    Outcome.CUT_OVER: "cut over",
    Outcome.RETIRED: "cut over, legacy retired",
    Outcome.STOPPED_IN_SHADOW: "stopped in shadow",
    Outcome.ROLLED_BACK: "rolled back",
    Outcome.REJECTED: "rejected by its owner",
    Outcome.ABANDONED: "abandoned",
    Outcome.STOPPED_EARLY: "stopped before shadow",
    Outcome.IN_PROGRESS: "in progress",
}
_SIGNALS = {
    "errors": "failed requests",
    "slow": "slow answers",
    "first_token": "late first tokens",
    "differs": "differing answers",
}


@dataclass(frozen=True)
class Happening:
    """One line of the timeline; `kind` is route, gate or guard."""

    at_seconds: float
    kind: str
    what: str


def sentence(model: ModelFacts, attempt: AttemptFacts, entry: AttemptEntry) -> str:
    """Say in words how an attempt went."""
    weights = [e.weight for e in events_of(model, attempt)]
    highest, now = max(weights, default=0.0), weights[-1] if weights else 0.0
    match entry.outcome:
        case Outcome.CUT_OVER:
            said = f"The candidate serves {now:.0%} of the traffic; legacy keeps the rest as the control."
        case Outcome.RETIRED:
            said = "Legacy is scaled down; what the attempt had deployed serves alone."
        case Outcome.STOPPED_IN_SHADOW:
            said = f"{_differing(attempt)} No client's request ever reached the candidate."
        case Outcome.ROLLED_BACK:
            said = _rolled_back(model, attempt, entry, highest)
        case Outcome.IN_PROGRESS:
            said = f"The migration goes on; the candidate has {now:.0%} of the traffic."
        case _:
            said = f"It was {WORDS[entry.outcome]}{_because(model, attempt)}."
    return said


def _differing(attempt: AttemptFacts) -> str:
    compared = len(attempt.comparisons)
    differing = sum(c.new_differs for c in attempt.comparisons)
    if not compared:
        return "The shadow test stopped it."
    return f"The shadow test stopped it: {differing:,} of {compared:,} compared answers differ from legacy's."


def _rolled_back(model: ModelFacts, attempt: AttemptFacts, entry: AttemptEntry, highest: float) -> str:
    share = _last_weight(model, attempt)
    if attempt.breach is None or attempt.breach.signal is None:
        return f"It was taken back at {share:.0%} of the traffic{_because(model, attempt)}."
    said = f"The sentinel took it back at {share or highest:.0%} of the traffic"
    said += f" because of {_SIGNALS.get(attempt.breach.signal, attempt.breach.signal)}"
    if entry.detection_seconds is not None:
        said += f", {entry.detection_seconds:.1f} s after the first bad request"
    if entry.rollback_seconds is not None:
        said += f"; the last request went to the candidate {entry.rollback_seconds:.2f} s after the verdict"
    return said + "."


def _last_weight(model: ModelFacts, attempt: AttemptFacts) -> float:
    """The weight that stood when the attempt ended."""
    return next((e.weight for e in reversed(events_of(model, attempt)) if e.event in ("open", "change")), 0.0)


def _because(model: ModelFacts, attempt: AttemptFacts) -> str:
    end = ending(model, attempt)
    by, reason = (
        (attempt.end.by, attempt.end.reason) if attempt.end else (end.by, end.reason) if end else ("", "")
    )
    return (f" by {by}" if by else "") + (f": {reason.rstrip('.')}" if reason else "")


def timeline(model: ModelFacts, attempt: AttemptFacts, life: Span) -> list[Happening]:
    """Everything that happened to an attempt, in order."""
    found = [
        Happening(e.at_seconds, "route", _event(e.event, e.weight, e.by, e.reason))
        for e in events_of(model, attempt)
    ]
    found += [
        Happening(a.at_seconds, "gate", _answer(a.gate, a.owner, a.decision, a.reason))
        for a in attempt.approvals
    ]
    if attempt.breach and attempt.breach.signal:
        said = f"the guard's verdict: breach of {attempt.breach.signal}"
        found.append(Happening(attempt.breach.at_seconds, "guard", said))
    return [h for h in sorted(found, key=lambda h: h.at_seconds) if h.at_seconds >= life.start_seconds - 1]


def _event(event: str, weight: float, by: str, reason: str) -> str:
    said = {"open": "opened at weight 0", "roll_back": "all traffic back on legacy"}.get(
        event, f"weight {weight:.0%}"
    )
    return said + (f", by {by}" if by else "") + (f" ({reason})" if reason else "")


def _answer(gate: str, owner: str, decision: str, reason: str) -> str:
    if decision == Decision.REFUSED:
        return f"gate {gate}: an answer in {owner}'s name was refused ({reason})"
    return f"gate {gate}: {owner} said {decision}" + (f" ({reason})" if reason else "")
