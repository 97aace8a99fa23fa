"""Seconds until the guard convicts, and how often it convicts the innocent: the guard's table, reproduced.

One command, under two minutes, prints Markdown:

    python bench/guard_simulated.py > bench/results/guard_simulated.md

Simulated: Poisson arrivals, the router's choice by chance, a look a second; the guard's own recursion, many
rollouts at once. Four guards share alpha 0.05 (limit ln 80 each); errors are bounded at 1 % on top of 1.25
times legacy's. A failed request of the candidate is answered by legacy with legacy's own chance. Runs without
a verdict count as longer than all others.
"""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from turnout.domain.guard.bounds import GuardBounds
from turnout.domain.guard.events import Event
from turnout.domain.guard.starts import NEVER, Starts, log_share
from turnout.domain.guard.wealth import opening, step, totals

Floats = NDArray[np.float64]

BOUNDS = GuardBounds(limits=(("errors", 0.01),), alpha=0.05 / 4)
LEGACY_FAILS = 0.005
HOUR = 3600


@dataclass(frozen=True)
class World:
    """What the guard looks at.

    Attributes:
        rate: Requests a second.
        weight: Candidate's weight at a second.
        legacy: Chance that legacy fails at a second.
        candidate: Chance that the candidate fails at a second.
    """

    rate: float
    weight: Callable[[int], float]
    legacy: Callable[[int], float]
    candidate: Callable[[int], float]


def verdict_seconds(
    world: World, *, runs: int, seconds: int, after: int, random: np.random.Generator
) -> Floats:
    """Seconds from `after` (when the candidate turns bad) to the breach in each run; infinite without one.

    A run that breaches earlier has a negative number.
    """
    wealth = np.tile(opening(BOUNDS), (runs, 1))
    found = np.full(runs, math.inf)
    for second in range(seconds):
        weight = world.weight(second)
        events = counts(world, second, weight, runs, random)
        starts = Starts(errors=log_share(BOUNDS, second, 1.0) if second else NEVER)
        wealth = step(BOUNDS, wealth, events, weight=weight, starts=starts)
        hit = (totals(BOUNDS, wealth)[:, 0] >= BOUNDS.log_limit) & np.isinf(found)
        found[hit] = second + 1 - after
        if np.isfinite(found).all():
            break
    return found


def counts(world: World, second: int, weight: float, runs: int, random: np.random.Generator) -> Floats:
    """Draw one second of traffic for all runs."""
    bad_legacy, bad_candidate = world.legacy(second), world.candidate(second)
    candidate = random.poisson(world.rate * weight, runs)
    legacy = random.poisson(world.rate * (1 - weight), runs)
    failed = random.binomial(candidate, bad_candidate)
    rescued = random.binomial(failed, 1 - bad_legacy)
    events = np.zeros((runs, len(Event)))
    events[:, Event.CANDIDATE_FAILED] = failed
    events[:, Event.CANDIDATE_ANSWERED] = candidate - failed
    events[:, Event.LEGACY_FAILED] = random.binomial(legacy, bad_legacy)
    events[:, Event.RESCUED] = rescued
    events[:, Event.UNRESCUED] = candidate - rescued
    return events


def constant(value: float) -> Callable[[int], float]:
    """Return the same value at every second."""
    return lambda _second: value


def fails_at(chance: float, after: int) -> Callable[[int], float]:
    """Return legacy's own chance of failing until a second, then another."""
    return lambda second: chance if second >= after else LEGACY_FAILS


def ramp(second: int) -> float:
    """Return a weight that rises from 10 % to 50 % in steps of 10 % a minute."""
    return min(0.5, 0.1 + 0.1 * (second // 60))


DETECTION = (
    ("from the start, w = 0.1", constant(0.1), 20.0, 0),
    ("from the start, w = 0.5", constant(0.5), 20.0, 0),
    ("after an hour of health, w = 0.1", constant(0.1), 20.0, HOUR),
    ("after an hour of health, w = 0.5", constant(0.5), 20.0, HOUR),
    ("from the start, w = 0.95", constant(0.95), 20.0, 0),
    ("ramp 10 % to 50 %, at 100/s", ramp, 100.0, 0),
)
FAILING = (0.05, 0.1, 0.3, 1.0)


def detection_table(runs: int, random: np.random.Generator) -> list[str]:
    """Median seconds to detection, as Markdown rows."""
    rows = ["| the candidate fails | 5 % | 10 % | 30 % | 100 % |", "|---|---|---|---|---|"]
    for name, weight, rate, after in DETECTION:
        cells = []
        for chance in FAILING:
            world = World(rate, weight, constant(LEGACY_FAILS), fails_at(chance, after))
            found = verdict_seconds(world, runs=runs, seconds=after + 1800, after=after, random=random)
            cells.append(f"{np.median(found):.0f} ({np.quantile(found, 0.9):.0f})")
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return rows


def shared_incident(second: int) -> float:
    """Return legacy's chance: 0.5 %, and 30 % for two minutes in the middle of the hour."""
    return 0.3 if 1800 <= second < 1920 else LEGACY_FAILS


HEALTHY: tuple[tuple[str, Callable[[int], float], Callable[[int], float]], ...] = (
    ("both fail 0.1 %", constant(0.001), constant(0.001)),
    ("both fail 1 %", constant(0.01), constant(0.01)),
    ("both fail 10 %", constant(0.1), constant(0.1)),
    (
        "an incident of both, 30 % against 36 %, two minutes",
        shared_incident,
        lambda s: 1.2 * shared_incident(s),
    ),
    (
        "day and night, 0.5 % to 20 %",
        lambda s: 0.1 + 0.095 * math.sin(s / 300),
        lambda s: 0.1 + 0.095 * math.sin(s / 300),
    ),
    *(
        (f"the null's edge, legacy fails {p:.1%}", constant(p), constant(0.01 + 1.25 * p))
        for p in (0.0, 0.001, 0.01, 0.1, 0.3, 0.6)
    ),
)


def false_alarm_table(runs: int, random: np.random.Generator) -> list[str]:
    """Shares of runs with a false alarm within an hour, as Markdown rows."""
    rows = ["| false alarms in an hour | w = 0.1 | w = 0.5 | w = 0.95 |", "|---|---|---|---|"]
    for name, legacy, candidate in HEALTHY:
        cells = []
        for weight in (0.1, 0.5, 0.95):
            world = World(20.0, constant(weight), legacy, candidate)
            found = verdict_seconds(world, runs=runs, seconds=HOUR, after=0, random=random)
            cells.append(f"{np.isfinite(found).sum()} of {runs}")
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return rows


HEAD = """# The guard, simulated

Made by `python bench/guard_simulated.py`. Errors bounded at 1 %, alpha 0.05 over 4 guards, legacy fails
0.5 %, 20 requests a second unless said otherwise.

Seconds from the first failure to the verdict, median (90th percentile) of 300 runs, a look a second:
"""

BETWEEN = """
Healthy candidates, at rates equal to legacy's and at the very edge of what is tolerated; 1.25 % is allowed:
"""


def main() -> None:
    """Print both tables."""
    began = time.monotonic()
    random = np.random.default_rng(20_260_301)
    print(HEAD)
    print("\n".join(detection_table(300, random)))
    print(BETWEEN)
    print("\n".join(false_alarm_table(400, random)))
    print(f"\n{time.monotonic() - began:.0f} s.", file=sys.stderr)


if __name__ == "__main__":
    main()
