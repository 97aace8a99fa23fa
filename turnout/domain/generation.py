"""How a generating model serves its clients, from records of its streams: first token, pace, tokens, goodput.

Pure. Terms and formulas are those of MLPerf Inference and of vLLM's serving benchmark: time to first token
(TTFT), time between tokens (TBT, ITL), tokens a second over the whole window, goodput as requests a second
that meet every bound. All times count from the moment a request was due, so that a stalled server cannot
hide behind a client that waits for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from turnout.domain import intervals

QUANTILES = (0.5, 0.95, 0.99)
ALPHA = 0.05
_MILLION = 1e6
_HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """One request to a generating model; times in seconds, on one clock.

    Attributes:
        due_seconds: When it was to be sent.
        token_seconds: When each piece of the answer came, in order; one that is not streamed has its end.
        ended_seconds: When the answer was whole; None: it failed or broke off.
        prompt_tokens: Tokens asked with; None: the server did not say.
        completion_tokens: Tokens generated; None: the server did not say.
    """

    due_seconds: float
    token_seconds: tuple[float, ...] = ()
    ended_seconds: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    @property
    def answered(self) -> bool:
        """Whether the whole answer came."""
        return self.ended_seconds is not None and bool(self.token_seconds)

    @property
    def first_token_seconds(self) -> float | None:
        """Time to first token; None where there was none."""
        return self.token_seconds[0] - self.due_seconds if self.token_seconds else None

    @property
    def between_seconds(self) -> float | None:
        """Mean time between tokens, from the first to the last; None for fewer than two tokens."""
        more = (self.completion_tokens or len(self.token_seconds)) - 1
        if not self.answered or more < 1 or len(self.token_seconds) < 2:  # noqa: PLR2004 -- two ends
            return None
        return (self.token_seconds[-1] - self.token_seconds[0]) / more


@dataclass(frozen=True, slots=True)
class GenerationBounds:
    """What makes a request a good one: its first token and its pace within these; no pace asked for: None."""

    first_token_seconds: float
    between_seconds: float | None = None


def measured(records: Sequence[StreamRecord], bounds: GenerationBounds | None = None) -> dict[str, Any]:
    """Measure a window of requests, as JSON values.

    Args:
        records: Every request of the window, failed ones too.
        bounds: For the goodput; None: none is told.

    Returns:
        Quantiles of first token, of each gap between pieces and of each request's mean time between tokens,
        tokens a second in and out, requests a second, and the goodput. What is not known is None.
    """
    whole = [one for one in records if one.answered]
    span = _span(records)
    return {
        "requests": len(records),
        "failed": len(records) - len(whole),
        "window_seconds": span,
        "time_to_first_token_seconds": _quantiles([one.first_token_seconds for one in whole]),
        "time_between_tokens_seconds": _quantiles([one.between_seconds for one in whole]),
        "gap_seconds": _quantiles([b - a for one in whole for a, b in pairwise(one.token_seconds)]),
        "requests_per_second": _over(len(whole), span),
        "tokens_per_second": {
            "in": _over(_total([one.prompt_tokens for one in whole]), span),
            "out": _over(_total([one.completion_tokens for one in whole]), span),
        },
        "goodput_per_second": None if bounds is None else _over(sum(good(r, bounds) for r in records), span),
    }


def good(record: StreamRecord, bounds: GenerationBounds) -> bool:
    """Whether a request met every bound; one that failed did not, one of a single token has no pace."""
    first, between = record.first_token_seconds, record.between_seconds
    if not record.answered or first is None:
        return False
    at_pace = between is None or bounds.between_seconds is None or between <= bounds.between_seconds
    return first <= bounds.first_token_seconds and at_pace


def cost(records: Sequence[StreamRecord], price_per_hour_usd: float | None) -> dict[str, float | None]:
    """USD for 1,000 answers and for a million tokens in and out, each over the whole cost of the window.

    The window counts with its idle time. An unknown price, or a server that did not count tokens, is unknown.

    Args:
        records: Every request of the window.
        price_per_hour_usd: What the replicas cost an hour, from the user's price list; None: unknown.
    """
    whole = [one for one in records if one.answered]
    spent = None if price_per_hour_usd is None else price_per_hour_usd * _span(records) / _HOUR_SECONDS

    def per(amount: float | None, unit: float) -> float | None:
        return spent / amount * unit if spent is not None and amount else None

    return {
        "usd_per_1000_requests": per(len(whole), 1000),
        "usd_per_million_tokens_in": per(_total([one.prompt_tokens for one in whole]), _MILLION),
        "usd_per_million_tokens_out": per(_total([one.completion_tokens for one in whole]), _MILLION),
    }


def _span(records: Sequence[StreamRecord]) -> float:
    """From the first due moment to the last thing that happened."""
    if not records:
        return 0.0
    ends = [max(one.due_seconds, one.ended_seconds or 0.0, *one.token_seconds, 0.0) for one in records]
    return max(ends) - min(one.due_seconds for one in records)


def _total(counts: Sequence[int | None]) -> float | None:
    """All together; None where one of them is not known, or there is none."""
    known = [count for count in counts if count is not None]
    return float(sum(known)) if known and len(known) == len(counts) else None


def _over(amount: float | None, span: float) -> float | None:
    return amount / span if amount is not None and span > 0 else None


def _quantiles(values: Sequence[float | None]) -> dict[str, dict[str, float | None]]:
    """Quantiles with their intervals; an interval without an upper end has too few values for one."""
    known = sorted(value for value in values if value is not None)
    return {f"p{round(100 * share)}": _quantile(known, share) for share in QUANTILES} if known else {}


def _quantile(ordered: list[float], share: float) -> dict[str, float | None]:
    found = intervals.quantile(ordered, share, alpha=ALPHA)
    low, high = (float(end) if np.isfinite(end) else None for end in (found.low, found.high))
    return {"estimate": float(np.quantile(ordered, share)), "low": low, "high": high}
