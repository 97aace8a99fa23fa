"""The legacy model measured: what production shows of it, with intervals.

Pure; `tasks.baseline` gathers the records and captures. Whether they are sufficient and sound is asked of
suites that the owner can edit (`turnout.domain.default_suites`). The intervals assume rates that do not drift
within the window; the guard, which decides, does not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from turnout.domain import intervals
from turnout.domain.contract import Contract
from turnout.domain.golden import Capture, Usable, choose, coverage, repeats
from turnout.domain.plan import PlanLine
from turnout.domain.requests import Arm, RequestRecord
from turnout.domain.workload import Workload

ALPHA = 0.05
"""Each interval misses the true value in at most one case of 20."""
QUANTILES = (0.5, 0.95, 0.99)
WINDOW_SECONDS = 3600.0
"""Older requests tell of another load."""


@dataclass(frozen=True)
class Material:
    """What production has shown so far.

    Attributes:
        requests: Ended requests of the legacy arm within the window.
        captured: Usable captures in the order of their time.
        unusable: Captures that cannot be used: errors, bodies that are no JSON.
    """

    requests: Sequence[RequestRecord]
    captured: Sequence[Usable]
    unusable: Sequence[Capture] = ()

    @property
    def distinct(self) -> int:
        """Distinct requests among the captures."""
        return len({one.key for one in self.captured})


@dataclass(frozen=True)
class Baseline:
    """The legacy model, measured.

    Attributes:
        golden: The golden set.
        measurements: The numbers, as JSON values, units in their names.
    """

    golden: list[Usable]
    measurements: dict[str, Any]


def own(records: Sequence[RequestRecord], *, now_seconds: float) -> list[RequestRecord]:
    """Ended requests that the router gave to legacy within the window."""
    since = now_seconds - WINDOW_SECONDS
    return [
        record
        for record in records
        if record.arm is Arm.LEGACY
        and record.duration_seconds is not None
        and record.started_seconds >= since
    ]


def measure(
    material: Material, contract: Contract, workload: Workload | None, line: PlanLine | None
) -> Baseline:
    """Measure the legacy model.

    Args:
        material: What production has shown.
        contract: What its answers are compared by.
        workload: The model as found, for its dependencies.
        line: Its line of the plan, for the price of its pool.
    """
    golden = choose(material.captured)
    rate = _throughput(material.requests)
    return Baseline(
        golden=golden,
        measurements={
            "requests": len(material.requests),
            "window_seconds": round(_span(material.requests), 3),
            "latency_seconds": _latency(material.requests),
            "error_rate": _share(sum(not one.answered for one in material.requests), len(material.requests)),
            "throughput_per_second": round(rate, 3),
            "golden_requests": len(golden),
            "golden_coverage": coverage(contract, golden),
            "captures": {"usable": len(material.captured), "unusable": len(material.unusable)},
            "noise_floor": _noise(contract, material.captured),
            "cost": _cost(line, rate),
            "dependencies": list(workload.dependencies) if workload else None,
            "intervals_assume": intervals.STEADY,
        },
    )


def _latency(requests: Sequence[RequestRecord]) -> dict[str, Any]:
    """Quantiles of the answered requests; an interval without an upper end has too few requests for one."""
    times = sorted(one.duration_seconds or 0.0 for one in requests if one.answered)
    return {f"p{round(100 * share)}": _quantile(times, share) for share in QUANTILES} if times else {}


def _quantile(times: list[float], share: float) -> dict[str, float | None]:
    found = intervals.quantile(times, share, alpha=ALPHA)
    return {
        "estimate": float(np.quantile(times, share)),
        "low": _finite(found.low),
        "high": _finite(found.high),
    }


def _share(bad: int, total: int) -> dict[str, float | None]:
    if not total:
        return {"estimate": None, "low": None, "high": None}
    found = intervals.rate(bad, total, alpha=ALPHA)
    return {"estimate": bad / total, "low": float(found.low), "high": float(found.high)}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _span(requests: Sequence[RequestRecord]) -> float:
    starts = [one.started_seconds for one in requests]
    return max(starts) - min(starts) if starts else 0.0


def _throughput(requests: Sequence[RequestRecord]) -> float:
    """Answered requests a second over the observed time, its idle time included."""
    return sum(one.answered for one in requests) / max(_span(requests), 1.0)


def _noise(contract: Contract, captured: Sequence[Usable]) -> dict[str, Any] | None:
    """How often legacy's own answer to the same request differs; None: no request came twice."""
    found = repeats(contract, captured)
    if not found.pairs:
        return None
    return {"pairs": found.pairs, "differing": found.differing} | _share(found.differing, found.pairs)


def _cost(line: PlanLine | None, rate: float) -> dict[str, Any]:
    """Cost of 1,000 answers: price of the replicas' share of the planned pool over the observed traffic."""
    best = line.placement.best if line and line.placement else None
    price = best.price_per_hour_usd if best else None
    if best is None or price is None or rate <= 0:
        return {
            "usd_per_1000_requests": None,
            "assumes": "unknown: the pool's price or the traffic is not known",
        }
    return {
        "usd_per_1000_requests": round(price / (rate * 3600) * 1000, 9),
        "assumes": f"legacy's resources at the price of pool {best.pool}, {price:.4g} USD an hour",
    }
