"""Latency, errors and throughput of one arm, as intervals and never as bare points."""

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from turnout.domain import intervals
from turnout.domain.outcomes import CLIENT_LEFT
from turnout.domain.requests import Arm, RequestRecord
from turnout.report import servers
from turnout.report.facts import AttemptFacts, ModelFacts
from turnout.report.interval import Interval
from turnout.report.outcomes import Span
from turnout.report.servers import ServerFigures
from turnout.report.timing import reached_candidate

ALPHA = 0.05
"""Each interval misses the true value in at most 5 % of reports (95 % confidence)."""
QUANTILES = (0.5, 0.95, 0.99)


class ArmFigures(BaseModel):
    """One arm, measured.

    Attributes:
        source: What was measured, in words.
        requests: How many requests it is made of.
        latency_seconds: By quantile: p50, p95, p99.
        error_rate: Share of requests that failed, also where legacy answered in the candidate's place.
        throughput_per_second: Answered requests a second while the arm was in use; None without data.
        server: What the shadow test measured of its server.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    requests: int = 0
    latency_seconds: dict[str, Interval] = {}
    error_rate: Interval = Interval()
    throughput_per_second: float | None = None
    server: ServerFigures = ServerFigures()


def baseline(model: ModelFacts, life: Span) -> ArmFigures:
    """Legacy during an attempt: the requests that the router gave to it."""
    own = [r for r in finished(model.requests) if r.arm is Arm.LEGACY and life.holds(r.started_seconds)]
    return _figures("clients' requests that the router gave to legacy during the attempt", own)


def with_server(figures: ArmFigures, attempt: AttemptFacts, arm: Arm) -> ArmFigures:
    """The same, with what the shadow test measured of that arm's server."""
    return figures.model_copy(update={"server": servers.measured(attempt, arm)})


def candidate(model: ModelFacts, attempt: AttemptFacts) -> ArmFigures:
    """The candidate: clients' requests, or, where it never had one, the replays of the shadow test."""
    mine = [r for r in finished(model.requests) if r.attempt == attempt.id and reached_candidate(r)]
    if mine or not attempt.comparisons:
        return _figures("clients' requests that the router gave to the candidate", mine)
    failed = sum(c.new_failed for c in attempt.comparisons)
    times = [c.candidate_seconds for c in attempt.comparisons if c.candidate_seconds is not None]
    total = len(attempt.comparisons)
    return ArmFigures(
        source="shadow replays (no client's request ever reached it)",
        requests=total,
        latency_seconds=latency(times),
        error_rate=rate(failed, total),
        throughput_per_second=_per_second(total - failed, [c.at_seconds for c in attempt.comparisons]),
    )


def finished(requests: Sequence[RequestRecord]) -> list[RequestRecord]:
    """Those that have ended; a client that left before the end says nothing about the server."""
    return [r for r in requests if r.duration_seconds is not None and r.status != CLIENT_LEFT]


def failed_on(request: RequestRecord) -> bool:
    """Whether the arm that the router chose failed the request, also where the client never noticed."""
    return request.rescued or not request.answered


def _figures(source: str, requests: list[RequestRecord]) -> ArmFigures:
    bad = sum(failed_on(r) for r in requests)
    return ArmFigures(
        source=source,
        requests=len(requests),
        latency_seconds=latency([r.duration_seconds for r in requests if r.duration_seconds is not None]),
        error_rate=rate(bad, len(requests)),
        throughput_per_second=_per_second(len(requests) - bad, [r.started_seconds for r in requests]),
    )


def latency(seconds: Sequence[float]) -> dict[str, Interval]:
    """The quantiles of a latency with their intervals."""
    return {f"p{round(100 * q)}": quantile(seconds, q) for q in QUANTILES}


def quantile(seconds: Sequence[float], share: float) -> Interval:
    """One quantile with its interval."""
    if not seconds:
        return Interval()
    found = intervals.quantile(seconds, share, alpha=ALPHA)
    high = found.high if math.isfinite(found.high) else None
    return Interval(estimate=float(np.quantile(seconds, share)), low=max(0.0, found.low), high=high)


def rate(bad: int, total: int) -> Interval:
    """A share with its interval."""
    if not total:
        return Interval()
    found = intervals.rate(bad, total, alpha=ALPHA)
    return Interval(estimate=bad / total, low=found.low, high=found.high)


def _per_second(answered: int, moments: Sequence[float]) -> float | None:
    """Answered requests over the time from the first to the last of them."""
    if len(moments) < 2 or (length := max(moments) - min(moments)) <= 0:  # noqa: PLR2004 -- a span has two ends
        return None
    return answered / length
