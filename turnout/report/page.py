"""`report.html`: one self-contained file that opens offline, light or dark, on a desk or on a phone."""

from collections.abc import Sequence
from dataclasses import dataclass

from turnout.domain import intervals
from turnout.domain.contract import AnswerKind
from turnout.report import answers, plots, story, suites
from turnout.report.arms import ALPHA
from turnout.report.canvas import clock
from turnout.report.facts import AttemptFacts, Facts, ModelFacts
from turnout.report.interval import Interval
from turnout.report.links import Link
from turnout.report.outcomes import Span, span
from turnout.report.summary import AttemptEntry, Summary
from turnout.report.templates import page

EXAMPLES = 8
"""Differing exchanges shown an attempt: enough to recognise a pattern."""
GOOD, BAD, CALM = "good", "bad", "calm"
_ASSUMPTIONS = (
    "Each holds with 95 % confidence at every moment at once, so it may be looked at as often as one likes. "
    f"Shares (failed requests) assume {intervals.STEADY}: the beta-binomial confidence sequence of Howard et "
    f"al. (arXiv:1810.08240). Quantiles (latency) assume {intervals.STEADY_RANKS}: the same on ranks. "
    "Where things do drift, read the plots over time, not the one number. No upper end: too few requests to "
    "bound that quantile from above."
)
_TONES = {"cut_over": GOOD, "rolled_back": BAD, "in_progress": CALM}


@dataclass(frozen=True)
class Plot:
    """One plot of the page; without an SVG the page says `nothing` in its place."""

    title: str
    explained: str
    svg: str | None
    nothing: str = "No data."


@dataclass(frozen=True)
class AttemptView:
    """All that the page shows of one attempt."""

    entry: AttemptEntry
    badge: str
    tone: str
    sentence: str
    plots: tuple[Plot, ...]
    examples: list[answers.Example]
    labels: list[answers.LabelCount] | None
    differing: int
    compared: int
    timeline: list[story.Happening]
    suites: list[suites.SuiteLine]


def render(facts: Facts, summary: Summary, links: Sequence[Link], *, data_docs: str = "") -> str:
    """Make the page.

    Args:
        facts: What was read.
        summary: The same, summed up.
        links: Pages of the running systems, and whether each answered.
        data_docs: Way from this page to the folder of the Data Docs; empty: there are none.
    """
    return page(
        "page.html.j2",
        facts=facts,
        summary=summary,
        links=links,
        data_docs=data_docs,
        attempts=_views(facts, summary),
        confidence=f"{1 - ALPHA:.0%}",
        intervals=_ASSUMPTIONS,
        interval=_interval,
        seconds=_seconds,
        clock=_clock,
        rate=_rate,
    )


def _views(facts: Facts, summary: Summary) -> list[AttemptView]:
    known = {a.id: (m, a) for m in facts.models for a in m.attempts}
    return [_view(*known[e.attempt], e, facts.last_seconds) for e in summary.models]


def _view(model: ModelFacts, attempt: AttemptFacts, entry: AttemptEntry, now_seconds: float) -> AttemptView:
    life = span(model, attempt, now_seconds)
    labels = model.contract is not None and model.contract.same_answer.kind is AnswerKind.LABELS
    return AttemptView(
        entry=entry,
        badge=story.WORDS[entry.outcome],
        tone=_TONES.get(entry.outcome, "warn"),
        sentence=story.sentence(model, attempt, entry),
        plots=_plots(model, attempt, life, labels=labels),
        examples=answers.examples(attempt.comparisons, EXAMPLES),
        labels=answers.label_counts(attempt.comparisons) if labels else None,
        differing=sum(c.new_differs for c in attempt.comparisons),
        compared=len(attempt.comparisons),
        timeline=story.timeline(model, attempt, life),
        suites=suites.lines(model, attempt),
    )


def _plots(model: ModelFacts, attempt: AttemptFacts, life: Span, *, labels: bool) -> tuple[Plot, ...]:
    pairs = [] if labels else answers.number_pairs(attempt.comparisons)
    return (
        Plot(
            "Weight",
            "The candidate's share as set, and as requests really went.",
            plots.weight(model, attempt, life),
        ),
        Plot(
            "Latency",
            "Requests by the arm that the router chose; bands are intervals.",
            plots.latency(model, attempt, life),
        ),
        Plot(
            "Evidence",
            "The guard's evidence for each signal, against its limit.",
            plots.evidence(model, attempt, life),
            nothing="No data: the sentinel judged nothing, as no client's request went to the candidate.",
        ),
        Plot(
            "Compared outputs",
            "The same request, answered by both.",
            None if labels else plots.outputs(attempt, pairs, life),
            nothing="No data: nothing was compared.",
        ),
    )


def _interval(value: Interval | None, factor: float = 1.0, unit: str = "", digits: int = 1) -> str:
    """An estimate with its interval: `12.3 ms (11.8 to 13.1)`."""
    if value is None or value.estimate is None:
        return "no data"
    low = "?" if value.low is None else f"{factor * value.low:,.{digits}f}"
    end = "no upper end" if value.high is None else f"{factor * value.high:,.{digits}f}"
    return f"{factor * value.estimate:,.{digits}f}{unit} ({low} to {end})"


def _clock(value: float | None) -> str:
    return "no data" if value is None else clock(value)


def _rate(value: float | None) -> str:
    return "no data" if value is None else f"{value:,.1f}"


def _seconds(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:,.{digits}f} s"
