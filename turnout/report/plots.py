"""The four plots of an attempt. Each returns inline SVG, or None where there is no data to draw."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import SymmetricalLogLocator

from turnout.domain.requests import Arm, ComparisonRecord
from turnout.report import canvas
from turnout.report.answers import NumberPair
from turnout.report.arms import finished, quantile
from turnout.report.facts import AttemptFacts, LookRow, ModelFacts
from turnout.report.outcomes import Span, ending, events_of
from turnout.report.parsing import number
from turnout.report.timing import reached_candidate

Sample = tuple[float, float]
"""A moment, in Unix seconds, and a value."""
Window = tuple[float, list[float]]
"""Middle of a window, in seconds since the attempt began, and the values in it."""

_HEIGHT_INCHES = 3.6
_WINDOWS = 30
"""Windows that a latency plot has at most: enough to see a change, few enough to have data in each."""
_LEAST_IN_WINDOW = 12
"""A window with fewer requests says nothing about a median; it is merged with the next one."""
_MOST_POINTS = 600
"""Points of a kind that a scatter shows at most: the page stays small, and the eye sees no more."""


def weight(model: ModelFacts, attempt: AttemptFacts, life: Span) -> str | None:
    """Weight over time as the router set it, and the share of requests that really went to the candidate."""
    events = events_of(model, attempt)
    if not events:
        return None
    times = [e.at_seconds - life.start_seconds for e in events] + [life.length_seconds]
    levels = [100 * e.weight for e in events] + [100 * events[-1].weight]
    with canvas.canvas(f"{attempt.id}-weight", _HEIGHT_INCHES) as (axes, drawn):
        axis = axes[0]
        axis.fill_between(times, levels, step="post", color=canvas.CANDIDATE, alpha=0.15, linewidth=0)
        axis.step(times, levels, where="post", color=canvas.CANDIDATE, linewidth=1.6, label="weight set")
        _shares(axis, model, attempt, life)
        _end_mark(axis, model, attempt, life)
        axis.set_ylim(0, 105)
        axis.set_ylabel("candidate's share, %")
        canvas.clock_axis(axis, life.length_seconds)
        canvas.legend(axis)
    return drawn[0]


def _shares(axis: Axes, model: ModelFacts, attempt: AttemptFacts, life: Span) -> None:
    own = [r for r in model.requests if r.attempt == attempt.id and life.holds(r.started_seconds)]
    windows = _windows([(r.started_seconds, float(reached_candidate(r))) for r in own], life)
    if windows:
        points = [(middle, 100 * np.mean(inside)) for middle, inside in windows]
        axis.plot(
            *zip(*points, strict=True), "o", markersize=3, color=canvas.INK, label="share of requests seen"
        )


def _end_mark(axis: Axes, model: ModelFacts, attempt: AttemptFacts, life: Span) -> None:
    if (end := ending(model, attempt)) is not None:
        at = end.at_seconds - life.start_seconds
        axis.axvline(at, color=canvas.BAD, linewidth=1.2, linestyle=(0, (4, 2)))


def latency(model: ModelFacts, attempt: AttemptFacts, life: Span) -> str | None:
    """Median and 95th percentile of both arms over time, each with its 95 % interval."""
    series = _series(model, attempt, life)
    if not any(samples for _, _, samples in series):
        return None
    with canvas.canvas(f"{attempt.id}-latency", _HEIGHT_INCHES, (1, 1)) as (axes, drawn):
        for axis, share, name in zip(axes, (0.95, 0.5), ("95th percentile, ms", "median, ms"), strict=True):
            for label, colour, samples in series:
                _band(axis, _windows(samples, life), share, colour, label)
            canvas.log_axis(axis)
            axis.set_ylabel(name)
            _end_mark(axis, model, attempt, life)
        canvas.clock_axis(axes[-1], life.length_seconds)
        canvas.legend(axes[0])
    return drawn[0]


def _series(model: ModelFacts, attempt: AttemptFacts, life: Span) -> list[tuple[str, str, list[Sample]]]:
    """Label, colour and latencies of each arm; replays stand in for a candidate without clients' requests."""
    done = [r for r in finished(model.requests) if life.holds(r.started_seconds)]
    legacy = [(r.started_seconds, r.duration_seconds or 0.0) for r in done if r.arm is Arm.LEGACY]
    mine = [r for r in done if r.attempt == attempt.id and reached_candidate(r)]
    candidate, label = [(r.started_seconds, r.duration_seconds or 0.0) for r in mine], "candidate"
    if not candidate:
        label = "candidate (shadow replays)"
        candidate = [
            (c.at_seconds, c.candidate_seconds)
            for c in attempt.comparisons
            if c.candidate_seconds is not None
        ]
    return [("legacy", canvas.LEGACY, legacy), (label, canvas.CANDIDATE, candidate)]


def _band(axis: Axes, windows: list[Window], share: float, colour: str, label: str) -> None:
    if not windows:
        return
    times = [middle for middle, _ in windows]
    found = [quantile(inside, share) for _, inside in windows]
    middle = [1000 * (f.estimate or 0.0) for f in found]
    low = [1000 * (f.low or 0.0) for f in found]
    # Without an upper end the band is drawn up to the largest value seen; the table says that there is none.
    high = [1000 * (max(w) if f.high is None else f.high) for f, (_, w) in zip(found, windows, strict=True)]
    axis.fill_between(times, low, high, color=colour, alpha=0.18, linewidth=0)
    axis.plot(times, middle, "o-", markersize=2.5, linewidth=1.4, color=colour, label=label)


def evidence(model: ModelFacts, attempt: AttemptFacts, life: Span) -> str | None:
    """Evidence of every signal over time against its limit: for harm above, for no harm below."""
    looks = [look for look in attempt.looks if look.evidence]
    if not looks:
        return None
    kinds = (("log_wealth", "log_limit", "for harm"), ("pass_log_wealth", "pass_log_limit", "for no harm"))
    with canvas.canvas(f"{attempt.id}-evidence", _HEIGHT_INCHES, (1, 1)) as (axes, drawn):
        for axis, (wealth, limit, name) in zip(axes, kinds, strict=True):
            for signal, colour in canvas.SIGNALS.items():
                _trace(axis, looks, life, (signal, wealth), colour)
            _limits(axis, looks, limit)
            axis.set_ylabel(f"{name}, nats")
            _end_mark(axis, model, attempt, life)
        canvas.clock_axis(axes[-1], life.length_seconds)
        if axes[0].lines:
            canvas.legend(axes[0])
    return drawn[0]


def _trace(axis: Axes, looks: Sequence[LookRow], life: Span, key: tuple[str, str], colour: str) -> None:
    signal, field = key
    points = [
        (look.at_seconds - life.start_seconds, value)
        for look in looks
        if (value := number(look.evidence.get(signal, {}).get(field))) is not None and math.isfinite(value)
    ]
    if points:
        axis.plot(*zip(*points, strict=True), linewidth=1.4, color=colour, label=signal)


def _limits(axis: Axes, looks: Sequence[LookRow], field: str) -> None:
    limits = {e[field] for look in looks for e in look.evidence.values() if number(e.get(field)) is not None}
    for place, limit in enumerate(sorted(limits)):
        label = "limit" if place == 0 else None
        axis.axhline(limit, color=canvas.BAD, linewidth=1.2, linestyle=(0, (4, 2)), label=label)
    if limits:
        low, high = axis.get_ylim()
        axis.set_ylim(max(low, -3 * max(limits)), max(high, 1.15 * max(limits)))


def outputs(attempt: AttemptFacts, pairs: Sequence[NumberPair], life: Span) -> str | None:
    """New answers against old ones where both were kept, and the largest difference of every comparison."""
    known = [c for c in attempt.comparisons if c.distance is not None]
    if not known and not pairs:
        return None
    height, ratios = (1.35 * _HEIGHT_INCHES, (3, 2)) if pairs else (_HEIGHT_INCHES, (1,))
    with canvas.canvas(f"{attempt.id}-outputs", height, ratios, shared=False) as (axes, drawn):
        _distances(axes[-1], known, life)
        if pairs:
            _scatter(axes[0], pairs)
    return drawn[0]


def _scatter(axis: Axes, pairs: Sequence[NumberPair]) -> None:
    ends = [min(min(p.old, p.new) for p in pairs), max(max(p.old, p.new) for p in pairs)]
    axis.plot(ends, ends, color=canvas.MUTED, linewidth=0.8, label="equal")
    _points(
        axis, [(p.old, p.new) for p in pairs if not p.differs], [(p.old, p.new) for p in pairs if p.differs]
    )
    axis.set_xlabel("legacy's answer")
    axis.set_ylabel("candidate's answer")
    canvas.legend(axis)


def _distances(axis: Axes, known: Sequence[ComparisonRecord], life: Span) -> None:
    placed = [(c.at_seconds - life.start_seconds, c.distance or 0.0, c.new_differs) for c in known]
    _points(
        axis,
        [(at, d) for at, d, differs in placed if not differs],
        [(at, d) for at, d, differs in placed if differs],
    )
    linear = _smallest(placed)
    axis.set_yscale("symlog", linthresh=linear)
    locator = SymmetricalLogLocator(linthresh=linear, base=10)
    locator.set_params(numticks=6)
    axis.yaxis.set_major_locator(locator)
    axis.set_ylim(bottom=-linear)  # room below, so that equal answers do not lie on the edge
    axis.set_ylabel("largest difference")
    canvas.clock_axis(axis, life.length_seconds)
    if placed:
        canvas.legend(axis)


def _smallest(placed: Sequence[tuple[float, float, bool]]) -> float:
    """Where the logarithmic part of the axis begins: below it, differences are as good as none."""
    return max(1e-12, min((d for _, d, _ in placed if d > 0), default=1e-6))


def _points(axis: Axes, same: list[tuple[float, float]], apart: list[tuple[float, float]]) -> None:
    for points, mark, size, colour, label in (
        (same, "o", 3, canvas.CANDIDATE, "same answer"),
        (apart, "x", 4.5, canvas.BAD, "differs"),
    ):
        if points:
            shown = points[:: max(1, len(points) // _MOST_POINTS)]
            axis.plot(*zip(*shown, strict=True), mark, markersize=size, alpha=0.7, color=colour, label=label)


def _windows(samples: Sequence[Sample], life: Span) -> list[Window]:
    """Cut an attempt's life into windows, each with the values in it."""
    width = max(life.length_seconds / _WINDOWS, 1e-9)
    windows: list[list[Sample]] = []
    slot = -1
    for sample in sorted(samples):
        at = int((sample[0] - life.start_seconds) / width)
        if not windows or (at != slot and len(windows[-1]) >= _LEAST_IN_WINDOW):
            windows.append([])
            slot = at
        windows[-1].append(sample)
    if len(windows) > 1 and len(windows[-1]) < _LEAST_IN_WINDOW:
        windows[-2].extend(windows.pop())
    return [((w[0][0] + w[-1][0]) / 2 - life.start_seconds, [value for _, value in w]) for w in windows]
