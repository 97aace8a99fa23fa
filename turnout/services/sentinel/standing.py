"""How an attempt stands, in the words of the sentinel's answers; pure."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from turnout.domain.route import Route
from turnout.services.sentinel.clock import Now
from turnout.services.sentinel.leases import GuardLease
from turnout.services.sentinel.watch import Watch, shown_verdict, step_looks


@dataclass(frozen=True, slots=True)
class Standing:
    """How one attempt stands.

    Attributes:
        live: Nothing has ended it.
        lease: The guard lease; whether it is armed is worked out when it is asked for.
        tell: The rest of the answer, put into words only when somebody asks: 1,000 attempts stand anew each
            second, and few of them are asked about.
    """

    live: bool
    lease: GuardLease
    tell: Callable[[Now], dict[str, Any]]


def shown(watch: Watch) -> Standing:
    """An attempt on the round, or one that is over."""
    return Standing(live=watch.record.ended is None, lease=watch.lease, tell=partial(_told, watch))


def unguarded(route: Route, why: str) -> Standing:
    """An attempt that cannot be guarded, and so is not armed."""
    document = {
        "attempt": route.attempt,
        "model": route.model,
        "weight": route.weight,
        "route_version": route.version,
        "verdict": "undecided",
        "hold": why,
    }
    return Standing(live=False, lease=GuardLease(0.0), tell=lambda _: document)


def _told(watch: Watch, now: Now) -> dict[str, Any]:
    record = watch.record
    return {
        "attempt": record.attempt,
        "model": record.model,
        "weight": record.weight,
        "route_version": record.step.version,
        "verdict": shown_verdict(watch),
        "signal": record.signal,
        "evidence": record.evidence,
        "guarded": list(record.guarded),
        "looks": record.looks,
        "step_looks": step_looks(watch),
        "since_weight_seconds": round(record.weight_clock.elapsed_seconds(now), 3),
        "since_word_seconds": round(record.step.elapsed_seconds(now), 3),
        "hold": watch.hold,
        "ended": record.ended.model_dump() if record.ended else None,
    }
