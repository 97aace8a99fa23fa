"""Throughput at the latency bound: what a server carries while its answers stay within what its owner allows.

Open loop: requests are sent when they are due, whatever became of earlier ones, and each latency counts from
the moment its request was due. A server that stalls is not spared the requests that a polite client would
have held back (coordinated omission). Pure; `turnout.fabric.open_loop` sends, `tasks.load` asks.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

STEPS = 5
"""Rates that are tried, each twice the one before; the last one is the ceiling that the owner gave."""
QUANTILE = 0.95
"""The share of requests that has to be within the bound."""
KEEPS_UP = 0.9
"""A server answers at least this share of the rate while it is asked, or its queue only grows."""


class Sent(BaseModel):
    """One request: when it was due and when it was answered, from the beginning; None: not, or not well."""

    model_config = ConfigDict(frozen=True)

    due_seconds: float
    answered_seconds: float | None

    @property
    def latency_seconds(self) -> float | None:
        """From the moment it was due."""
        return None if self.answered_seconds is None else self.answered_seconds - self.due_seconds


class Step(BaseModel):
    """One rate, tried.

    Attributes:
        rate_per_second: Requests that were due each second.
        sent: Requests.
        failed: Of them, those that got no good answer in time.
        p50_seconds: Half of the answers came within; None without answers.
        p95_seconds: 95 % of all requests were answered within; None where more than 5 % were not.
        answered_per_second: Good answers a second, from the first due moment to the last answer.
        sustained: Whether the bounds held.
    """

    model_config = ConfigDict(frozen=True)

    rate_per_second: float
    sent: int
    failed: int
    p50_seconds: float | None
    p95_seconds: float | None
    answered_per_second: float
    sustained: bool


def rates(ceiling_per_second: float) -> tuple[float, ...]:
    """The rates that are tried, rising to the ceiling."""
    return tuple(ceiling_per_second / 2**step for step in reversed(range(STEPS)))


def judged(rate: float, sent: Sequence[Sent], *, bound_seconds: float, errors: float) -> Step:
    """Say whether a server carried a rate.

    Args:
        rate: Requests that were due each second.
        sent: What became of each.
        bound_seconds: Within it 95 % of all requests have to be answered.
        errors: Share of requests that may fail.
    """
    answered = sorted(s.latency_seconds for s in sent if s.latency_seconds is not None)
    failed = len(sent) - len(answered)
    needed = int(np.ceil(QUANTILE * len(sent)))
    p95 = answered[needed - 1] if answered and needed <= len(answered) else None
    ends = [s.answered_seconds for s in sent if s.answered_seconds is not None]
    span = max(ends, default=0.0) - min((s.due_seconds for s in sent), default=0.0)
    per_second = len(answered) / max(span, len(sent) / rate) if sent else 0.0
    within = p95 is not None and p95 <= bound_seconds and failed <= errors * len(sent)
    return Step(
        rate_per_second=rate,
        sent=len(sent),
        failed=failed,
        p50_seconds=float(np.median(answered)) if answered else None,
        p95_seconds=p95,
        answered_per_second=per_second,
        sustained=within and per_second >= KEEPS_UP * rate,
    )


def throughput(steps: Sequence[Step]) -> dict[str, Any]:
    """What was carried, as JSON: the last rate before the first that was not; all of them where none failed.

    Returns:
        `per_second` (None: not even the lowest rate), `at_least` (the ceiling was carried: it may be more),
        and the steps.
    """
    carried: Step | None = None
    for step in steps:
        if not step.sustained:
            break
        carried = step
    return {
        "per_second": carried.answered_per_second if carried else None,
        "at_least": bool(steps) and carried is steps[-1],
        "steps": [step.model_dump() for step in steps],
    }
