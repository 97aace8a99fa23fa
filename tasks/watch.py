"""How every moved model stands: the router's word and the sentinel's."""

from pydantic import BaseModel, ConfigDict

from tasks.weight import over
from turnout.domain.aliases import CANDIDATE, SERVING
from turnout.domain.attempt import Attempt
from turnout.wiring.migrating import current


class Standing(BaseModel):
    """One model with a living attempt.

    Attributes:
        share: Candidate's share of the traffic, in words.
        verdict: The sentinel's verdict, or that it does not answer.
        note: What is out of the ordinary, or empty.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    attempt: str
    share: str
    verdict: str
    note: str = ""

    def line(self) -> str:
        """All of it, in one line."""
        return f"{self.attempt}: {self.share}, sentinel: {self.verdict}" + (
            f" ({self.note})" if self.note else ""
        )


def standings() -> list[Standing]:
    """Return how each living attempt stands."""
    attempts = current().attempts
    models = sorted({a.model for a in attempts.list()})
    newest = [a for model in models if (a := attempts.newest(model))]
    return [_standing(a) for a in newest if not over(a.model, a.id)]


def rolled_back() -> list[str]:
    """Return the runs that wait at a gate of an attempt that is over."""
    attempts = current().attempts
    asks = [ask for a in attempts.list() if over(a.model, a.id) and (ask := attempts.asked(a.id))]
    return [ask.run for ask in asks if ask.run]


def ended_unsaid() -> list[Attempt]:
    """Return the ended attempts whose package the registry still calls serving or the candidate.

    One that has legacy's place serves, and is not among them.
    """
    wiring = current()
    ended = [
        a
        for a in wiring.attempts.list()
        if a.package and over(a.model, a.id) and wiring.attempts.retirement(a.id) is None
    ]
    newest = {a.model: a for a in ended if a == wiring.attempts.newest(a.model)}
    return [a for a in newest.values() if _is_named(a)]


def _is_named(attempt: Attempt) -> bool:
    named = [current().packages.marked(attempt.model, alias) for alias in (SERVING, CANDIDATE)]
    return any(package and package.version == attempt.package for package in named)


def _standing(attempt: Attempt) -> Standing:
    route = current().router.read(attempt.model)
    report = current().sentinel.report(attempt.id)
    notes = [] if report is None or report.armed else ["not armed: the router sends the candidate nothing"]
    notes += [report.hold] if report and report.hold else []
    if route.attempt != attempt.id:
        notes.append(f"the router's live attempt is {route.attempt or 'none'}")
    return Standing(
        model=attempt.model,
        attempt=attempt.id,
        share=f"{route.weight:.0%}, control share {1 - route.weight:.0%}",
        verdict=report.verdict if report else "does not answer",
        note="; ".join(notes),
    )
