"""Counters of several processes, added up: nothing is counted twice, and nothing counted is taken back.

Each proxy counts from 0 when it starts and is read now and then: a reading may fail, come twice, or come from
a process that has started since; a proxy may join or leave. Pure; `turnout.fabric.route_counts` reads.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SAME_START_SECONDS = 2.0
"""Starts closer than this are one start: a process tells its age in whole seconds."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one proxy had counted at one moment.

    Attributes:
        proxy: Which one.
        started_seconds: Start of its process, Unix time: counters begin there. A smaller value alone would
            miss a process that started again and has already counted more.
        at_seconds: When it was read, Unix time.
        counts: Its counters by name; one that is not there has counted nothing yet.
    """

    proxy: str
    started_seconds: float
    at_seconds: float
    counts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted since it began, over all proxies.

    Attributes:
        begun_seconds: What was counted before is no part of it, Unix time.
        totals: By name.
        last: Newest reading of each proxy, also of those that left.
    """

    begun_seconds: float
    totals: Mapping[str, float] = field(default_factory=dict)
    last: Mapping[str, Reading] = field(default_factory=dict)

    def heard_seconds(self, proxy: str) -> float | None:
        """When a proxy was last heard of; None: never."""
        return self.last[proxy].at_seconds if proxy in self.last else None


def take(tally: Tally, readings: Iterable[Reading]) -> Tally:
    """Add what is new in some readings.

    A process seen for the first time adds all it has counted if it started after the tally was begun; else it
    only says where it stands. A reading that came before, or is older than one that was taken, adds nothing.
    """
    totals, last = dict(tally.totals), dict(tally.last)
    for reading in sorted(readings, key=lambda one: (one.started_seconds, one.at_seconds)):
        before = last.get(reading.proxy)
        if before is not None and not _is_newer(before, reading):
            continue
        is_same = before is not None and _is_same_process(before, reading)
        base = before.counts if before is not None and is_same else {}
        highest = dict(base)
        for name, value in reading.counts.items():
            highest[name] = max(value, base.get(name, 0.0))
            if is_same or before is not None or reading.started_seconds >= tally.begun_seconds:
                totals[name] = totals.get(name, 0.0) + highest[name] - base.get(name, 0.0)
        started = before.started_seconds if before is not None and is_same else reading.started_seconds
        last[reading.proxy] = Reading(reading.proxy, started, reading.at_seconds, highest)
    return Tally(tally.begun_seconds, totals, last)


def _is_same_process(before: Reading, reading: Reading) -> bool:
    return abs(reading.started_seconds - before.started_seconds) < SAME_START_SECONDS


def _is_newer(before: Reading, reading: Reading) -> bool:
    if _is_same_process(before, reading):
        return reading.at_seconds > before.at_seconds
    return reading.started_seconds > before.started_seconds
