"""How fast a fault was noticed, and how fast its traffic was gone."""

from dataclasses import dataclass

import numpy as np

from turnout.domain.outcomes import CountingRules, is_error, is_slow, is_slow_first
from turnout.domain.requests import Arm, ComparisonRecord, RequestRecord

_RULED_OUT = float(np.log(20.0))
"""A start of the fault is ruled out when the likeliest one is 20 times as likely (the usual 1 in 20)."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One request of the candidate: when it started, and whether it went badly."""

    at_seconds: float
    bad: bool


def trials(
    signal: str,
    requests: tuple[RequestRecord, ...],
    comparisons: tuple[ComparisonRecord, ...],
    rules: CountingRules,
) -> list[Trial]:
    """The candidate's requests, in order, as one guarded signal sees them."""
    if signal == "differs":
        made = [Trial(c.at_seconds, c.new_differs or c.new_failed) for c in comparisons]
    else:
        bad = {"slow": is_slow, "first_token": is_slow_first}.get(signal, is_error)
        made = [Trial(r.started_seconds, bad(r, rules)) for r in requests if reached_candidate(r)]
    return sorted(made, key=lambda t: t.at_seconds)


def reached_candidate(request: RequestRecord) -> bool:
    """Whether the router sent a request to the candidate (and did not hold it to be unguarded)."""
    return request.arm is Arm.CANDIDATE and not request.diverted


def fault_start(made: list[Trial], verdict_seconds: float, put_seconds: float | None = None) -> float | None:
    """First bad request of the fault that the verdict was about; None when there is none.

    Where it is known when the fault was put in, the first one after that. Else the likeliest change point of
    a Bernoulli sequence, and of all bad requests that the data do not rule out as the start, the earliest: a
    stray failure an hour before is left out, and the detection is never flattered.
    """
    seen = [t for t in made if t.at_seconds <= verdict_seconds]
    known = [t.at_seconds for t in seen if t.bad and put_seconds is not None and t.at_seconds >= put_seconds]
    if known:
        return known[0]
    bad = np.array([t.bad for t in seen], dtype=float)
    starts = np.flatnonzero(bad)
    if not len(starts):
        return None
    before = np.concatenate(([0.0], np.cumsum(bad)))[starts]
    total = float(bad.sum())
    likelihood = _log_likelihood(before, starts) + _log_likelihood(total - before, len(bad) - starts)
    kept = starts[likelihood >= likelihood.max() - _RULED_OUT]
    return seen[int(kept[0])].at_seconds


def _log_likelihood(bad: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Largest log likelihood of `bad` successes in `of` Bernoulli trials; 0 trials say nothing."""
    good = of - bad
    share = np.divide(bad, of, out=np.zeros(len(bad)), where=of > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(bad > 0, bad * np.log(share), 0.0) + np.where(good > 0, good * np.log1p(-share), 0.0)
    return np.asarray(parts)


def rollback_seconds(requests: tuple[RequestRecord, ...], verdict_seconds: float) -> float | None:
    """From the verdict to the start of the last request sent to the candidate; None where none ever was.

    0 when no request was sent to it after the verdict.
    """
    sent = [r.started_seconds for r in requests if reached_candidate(r)]
    return max(0.0, max(sent) - verdict_seconds) if sent else None
