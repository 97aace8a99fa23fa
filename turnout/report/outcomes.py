"""How each attempt ended, from the router's history first: the router is the truth about traffic."""

from dataclasses import dataclass
from enum import StrEnum

from turnout.domain.evidence import Phase, Verdict
from turnout.domain.route import CONTROL_SHARE
from turnout.report.facts import AttemptFacts, ModelFacts, RouteEvent

_ROUNDING = 1e-9


class Outcome(StrEnum):
    """How an attempt stands when the report is taken."""

    CUT_OVER = "cut_over"
    RETIRED = "retired"
    STOPPED_IN_SHADOW = "stopped_in_shadow"
    ROLLED_BACK = "rolled_back"
    REJECTED = "rejected"
    ABANDONED = "abandoned"
    STOPPED_EARLY = "stopped_before_shadow"
    IN_PROGRESS = "in_progress"


@dataclass(frozen=True)
class Span:
    """An attempt's life in Unix seconds; `over` says whether it has ended."""

    start_seconds: float
    end_seconds: float
    over: bool

    @property
    def length_seconds(self) -> float:
        """From start to end."""
        return max(0.0, self.end_seconds - self.start_seconds)

    def holds(self, at_seconds: float) -> bool:
        """Whether a moment lies in it."""
        return self.start_seconds <= at_seconds <= self.end_seconds


def events_of(model: ModelFacts, attempt: AttemptFacts) -> tuple[RouteEvent, ...]:
    """The router's history of one attempt, in order."""
    return tuple(sorted((e for e in model.events if e.attempt == attempt.id), key=lambda e: e.at_seconds))


def ending(model: ModelFacts, attempt: AttemptFacts) -> RouteEvent | None:
    """What ended an attempt: the router's word, else its tombstone, else the sentinel's journal."""
    for event in events_of(model, attempt):
        if event.event == "roll_back":
            return event
    if attempt.ended:
        return attempt.ended
    if attempt.breach:
        return RouteEvent(
            attempt.breach.at_seconds, "roll_back", attempt.id, 0.0, "sentinel", attempt.breach.reason
        )
    return None


def outcome(model: ModelFacts, attempt: AttemptFacts) -> Outcome:
    """How an attempt stands: what the router did to it, in the flows' words where they fit."""
    said = Outcome(attempt.end.outcome) if attempt.end else None
    highest = max((e.weight for e in events_of(model, attempt)), default=0.0)
    if ending(model, attempt) is None:
        return said or _open(model, attempt, highest)
    if said not in (None, Outcome.CUT_OVER):  # a rollback after the cutover is not yet in the flows' words
        return said
    return Outcome.ROLLED_BACK if highest > 0 else _stopped(attempt)


def _open(model: ModelFacts, attempt: AttemptFacts, highest: float) -> Outcome:
    if _ended_in(attempt, Phase.CUTOVER, Verdict.PASS) or highest >= _final_weight(model) - _ROUNDING:
        return Outcome.CUT_OVER
    return (
        Outcome.STOPPED_IN_SHADOW if _ended_in(attempt, Phase.SHADOW, Verdict.FAIL) else Outcome.IN_PROGRESS
    )


def _stopped(attempt: AttemptFacts) -> Outcome:
    shadowed = attempt.comparisons or any(e.phase is Phase.SHADOW for e in attempt.evidence)
    return Outcome.STOPPED_IN_SHADOW if shadowed else Outcome.STOPPED_EARLY


def _ended_in(attempt: AttemptFacts, phase: Phase, verdict: Verdict) -> bool:
    found = [e.verdict for e in attempt.evidence if e.phase is phase]
    return bool(found) and found[-1] is verdict


def _final_weight(model: ModelFacts) -> float:
    return model.contract.rollout.final_weight if model.contract else 1 - CONTROL_SHARE


def span(model: ModelFacts, attempt: AttemptFacts, now_seconds: float) -> Span:
    """An attempt's life: from the first word about it to its end, to the next attempt's start, or to now."""
    end = ending(model, attempt)
    signs = [e.at_seconds for e in events_of(model, attempt)] + [r.at_seconds for r in attempt.looks[:1]]
    signs += [c.at_seconds for c in attempt.comparisons[:1]] + [e.at_seconds for e in attempt.evidence[:1]]
    start = min(signs, default=end.at_seconds if end else now_seconds)
    return Span(start, max(start, end.at_seconds if end else now_seconds), over=end is not None)
