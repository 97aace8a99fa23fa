"""What `bench/detection.py` tabulates: traffic, the guard and two threshold rules, many rollouts at once.

Flagger's rule, from its documentation (docs.flagger.app/usage/how-it-works, "Canary analysis", and
docs.flagger.app/usage/metrics): every `interval` the success rate over that interval is compared with
`thresholdRange.min`; a rate below it, or no values at all ("no values found" halts as well), is a failed
check; failed checks add up over the rollout, and a rollback follows once their number reaches `threshold`.

Argo Rollouts' rule (argoproj.github.io/argo-rollouts/features/analysis, background analysis, and the
description of the field in AnalysisTemplate): a measurement every `interval`; one that does not meet
`successCondition` has failed, and the run fails once more than `failureLimit` measurements have. An interval
without values is not counted as failed.

Both are credited with the rollback at the very instant of the deciding check, with a metric that is current
to that instant, and with a window equal to the interval. (Flagger's controller acts on the count at its next
run, an interval later; Prometheus adds a scrape.)
"""

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from turnout.domain.contract import Bounds
from turnout.domain.guard.bounds import HORIZON_SECONDS, GuardBounds
from turnout.domain.guard.events import Event
from turnout.domain.guard.starts import NEVER, Starts, log_share
from turnout.domain.guard.wealth import opening, step, totals

Floats = NDArray[np.float64]

HOUR = 3600
BIN_SECONDS = 10
SPARE_SECONDS = 60
"""A late fault begins at a random moment of the minute after the first hour, so that it meets the interval of
a rival at any point."""

CONTRACT = Bounds()
SHARE_OF_ALPHA = CONTRACT.alpha / len(CONTRACT.limits())
ERRORS_BOUNDS = GuardBounds(limits=(("errors", CONTRACT.errors),), alpha=SHARE_OF_ALPHA)
SLOW_BOUNDS = GuardBounds(limits=(("slow", CONTRACT.slow),), alpha=SHARE_OF_ALPHA)


@dataclass(frozen=True)
class Scenario:
    """Legacy's chance of failing.

    Attributes:
        name: What it is called in the tables.
        chance: Draws the chance at each second, shape (runs or 1, seconds), from runs and seconds.
        base: The chance, where it stays the same.
    """

    name: str
    chance: Callable[[np.random.Generator, int, int], Floats]
    base: float | None = None


def steady(base: float) -> Scenario:
    """Return a legacy that always fails alike."""
    return Scenario(f"steady {base:.1%}", lambda _random, _runs, seconds: np.full((1, seconds), base), base)


def drifting(_random: np.random.Generator, _runs: int, seconds: int) -> Floats:
    """Return 0.1 % to 2 % and back, every 40 minutes."""
    return 0.0105 - 0.0095 * np.cos(2 * np.pi * np.arange(seconds)[None, :] / 2400)


def bursting(random: np.random.Generator, runs: int, seconds: int) -> Floats:
    """Draw 0.5 %, and 20 % for one minute at a random time of each half hour."""
    half_hours = -(-seconds // 1800)
    begins = np.repeat(random.uniform(0, 1740, (runs, half_hours)), 1800, axis=1)[:, :seconds]
    since = np.arange(seconds)[None, :] % 1800 - begins
    return np.where((since >= 0) & (since < 60), 0.2, 0.005)


SCENARIOS = (
    *(steady(base) for base in (0.001, 0.005, 0.01)),
    Scenario("drifting 0.1 % to 2 %", drifting),
    Scenario("0.5 % with shared bursts of 20 %", bursting),
)


@dataclass(frozen=True)
class Traffic:
    """How many requests come, and where they go: requests a second, candidate's weight."""

    rate: float
    weight: float


@dataclass
class Found:
    """Seconds from the fault to the verdict.

    Attributes:
        fresh: Candidates bad from the start, shape (errors, runs); infinite without a verdict in an hour.
        late: The same after an hour of health; not a number in runs with a false alarm before the fault.
        false: Share of healthy candidates convicted within an hour.
    """

    fresh: Floats
    late: Floats
    false: float


def medians(found: Floats) -> Floats:
    """Median over the runs; a run without a verdict counts as longer than all others."""
    return np.array([_median(row[~np.isnan(row)]) for row in found])


def _median(values: Floats) -> float:
    # The lower of the two middle values: their mean may be infinite, or no time that any check has.
    return float(np.sort(values)[(len(values) - 1) // 2]) if len(values) else math.inf


# --- the guard ---------------------------------------------------------------------------------------------


def guard_found(
    scenario: Scenario, traffic: Traffic, errors: Floats, runs: int, random: np.random.Generator
) -> Found:
    """Run the guard on fresh faults, on an hour of health, and on faults after it."""
    legacy = np.broadcast_to(scenario.chance(random, runs, 2 * HOUR), (runs, 2 * HOUR))
    start = np.tile(opening(ERRORS_BOUNDS), (runs, 1))
    early = np.tile(legacy[:, :HOUR], (len(errors), 1))
    fault = np.repeat(errors, runs)[:, None]
    fresh, _ = _watch(np.tile(start, (len(errors), 1)), early, fault, traffic, random)
    alarms, wealth = _watch(start, legacy[:, :HOUR], np.zeros((runs, 1)), traffic, random, keep=True)
    after = np.tile(legacy[:, HOUR:], (len(errors), 1))
    late, _ = _watch(np.tile(wealth, (len(errors), 1)), after, fault, traffic, random, first=False)
    late = late.reshape(len(errors), runs)
    late[:, np.isfinite(alarms)] = math.nan
    return Found(fresh.reshape(len(errors), runs), late, float(np.isfinite(alarms).mean()))


def _watch(
    wealth: Floats,
    legacy: Floats,
    fault: Floats,
    traffic: Traffic,
    random: np.random.Generator,
    *,
    first: bool = True,
    keep: bool = False,
) -> tuple[Floats, Floats]:
    """Look each second for an hour; rows with a verdict drop out now and then unless all are kept."""
    found = np.full(len(wealth), math.inf)
    rows = np.arange(len(wealth))
    for second in range(HOUR):
        now = legacy[rows, second]
        events = _events(now, np.maximum(now, fault[rows, 0]), traffic, random)
        looked = second if first else second + HOUR
        starts = Starts(errors=log_share(ERRORS_BOUNDS, looked, 1.0) if looked else NEVER)
        wealth = step(ERRORS_BOUNDS, wealth, events, weight=traffic.weight, starts=starts)
        hit = (totals(ERRORS_BOUNDS, wealth)[:, 0] >= ERRORS_BOUNDS.log_limit) & np.isinf(found[rows])
        found[rows[hit]] = second + 1
        if not keep and (second < 10 or second % 10 == 0):
            open_rows = np.isinf(found[rows])
            rows, wealth = rows[open_rows], wealth[open_rows]
            if not len(rows):
                break
    return found, wealth


def _events(legacy: Floats, candidate: Floats, traffic: Traffic, random: np.random.Generator) -> Floats:
    """Draw one second of traffic for all rows: Poisson arrivals, the router's choice by chance."""
    share = traffic.rate * traffic.weight
    failed = random.poisson(share * candidate)
    answered = random.poisson(share * (1 - candidate))
    rescued = random.binomial(failed, 1 - legacy)
    events = np.zeros((len(legacy), len(Event)))
    events[:, Event.CANDIDATE_FAILED] = failed
    events[:, Event.CANDIDATE_ANSWERED] = answered
    events[:, Event.LEGACY_FAILED] = random.poisson((traffic.rate - share) * legacy)
    events[:, Event.RESCUED] = rescued
    events[:, Event.UNRESCUED] = failed + answered - rescued
    return events


def limit_seconds(traffic: Traffic, base: float, candidate: float) -> float:
    """Least expected seconds of any test with the guard's promise; infinite for what the bounds tolerate.

    `ln(1/alpha_guard) / inf over the null of [w*KL(p_c||p_c0) + (1-w)*KL(p_l||p_l0)]` requests; the nearest
    null lies on its edge, `p_c0 = m + rho*p_l0`.
    """
    if candidate <= CONTRACT.errors + CONTRACT.ratio * base:
        return math.inf
    return ERRORS_BOUNDS.log_limit / _nats(traffic, base, candidate)


def late_limit_seconds(traffic: Traffic, base: float, candidate: float) -> float:
    """Least seconds of a test that does not know when harm begins: d = ln(H/(d*alpha_guard)) / nats a second.

    Cut the horizon H into windows of d seconds. Under the null that is nearest to the harm, a test's chances
    of an alarm in each window add up to at most alpha_guard, so to `d*alpha_guard/H` in the average window.
    Harm that begins with a window multiplies that chance by at most e^C, apart from the chance that the log
    likelihood ratio of a window exceeds C: so C has to be about `ln(H/(d*alpha_guard))` before half of the
    harm is detected within d, on average over the moments at which it may begin. (T. L. Lai, IEEE
    Transactions on Information Theory 44(7), 1998, theorem 1, for windows; Huang and Veeravalli,
    arXiv:2511.12803, for a chance of false alarms over a finite horizon.) First order: a median may be a
    few requests' worth of luck below it, and a look is a second.

    What it does not cover: it holds for every test where the candidate stood at the edge of its bounds
    before, and for every test made of bets, as each bet loses on a healthy candidate what it may win. Whether
    something other than bets could make up for looks at which the candidate was plainly healthy is open; such
    a test would still need `ln(24/alpha_guard)` nats for harm that may come once in each hour of the day.
    """
    if candidate <= CONTRACT.errors + CONTRACT.ratio * base:
        return math.inf
    nats = _nats(traffic, base, candidate)

    def surplus(seconds: float) -> float:
        return seconds * nats + math.log(seconds) - math.log(HORIZON_SECONDS) - ERRORS_BOUNDS.log_limit

    return float(brentq(surplus, 1e-9, 1e9))


def _nats(traffic: Traffic, base: float, candidate: float) -> float:
    """Information a second against the nearest null."""
    edge = np.linspace(1e-6, 1 - 1e-6, 200_001)
    null = np.minimum(1.0, CONTRACT.errors + CONTRACT.ratio * edge)
    gain = traffic.weight * _divergence(candidate, null) + (1 - traffic.weight) * _divergence(base, edge)
    return float(gain.min()) * traffic.rate


def _divergence(chance: float, other: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        bad = chance * np.log(chance / other) if chance > 0 else 0.0
        good = (1 - chance) * np.log((1 - chance) / (1 - other)) if chance < 1 else 0.0
    return np.asarray(bad + good)


# --- the threshold rules -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """One setting of a threshold rule.

    Attributes:
        interval: Seconds between checks, and the window of each.
        success: Success rate below which a check fails.
        checks: Failed checks that end the rollout.
        empty_fails: Whether an interval without a request is a failed check.
    """

    interval: int
    success: float
    checks: int
    empty_fails: bool


INTERVALS = (10, 30, 60)
SUCCESS = (0.99, 0.97, 0.95, 0.90)
FLAGGER_THRESHOLDS = (1, 2, 5, 10)
ARGO_FAILURE_LIMITS = (0, 2, 5)
FLAGGER = tuple(Rule(*parts, empty_fails=True) for parts in product(INTERVALS, SUCCESS, FLAGGER_THRESHOLDS))
ARGO = tuple(
    Rule(interval, success, limit + 1, empty_fails=False)
    for interval, success, limit in product(INTERVALS, SUCCESS, ARGO_FAILURE_LIMITS)
)


@dataclass(frozen=True)
class Chances:
    """Chance of a bad request in each bin: healthy and, by error rate, at fault; shape (runs or 1, bins)."""

    healthy: Floats
    faulty: Floats


def rules_found(
    scenario: Scenario,
    traffic: Traffic,
    errors: Floats,
    *,
    rules: tuple[Rule, ...],
    runs: tuple[int, int],
    random: np.random.Generator,
) -> dict[Rule, Found]:
    """Run all settings on the same draws; `runs` of faulty and of healthy candidates."""
    per_hour = HOUR // BIN_SECONDS
    false = {}
    calm = _binned(scenario.chance(random, runs[1], HOUR))
    for rule, seconds in _verdicts(_draw(calm, (runs[1], per_hour), traffic, random), rules):
        false[rule] = float(np.isfinite(seconds).mean())
    chance = scenario.chance(random, runs[0], 2 * HOUR + SPARE_SECONDS)
    found: dict[Rule, Found] = {rule: _empty(len(errors), runs[0], false[rule]) for rule in rules}
    for i, error in enumerate(errors):
        chances = Chances(_binned(chance), _binned(np.maximum(chance, error)))
        _fresh(found, i, chances, traffic=traffic, runs=runs[0], random=random)
        _late(found, i, chances, traffic=traffic, runs=runs[0], random=random)
    return found


def _empty(errors: int, runs: int, false: float) -> Found:
    return Found(np.empty((errors, runs)), np.empty((errors, runs)), false)


def _fresh(
    found: dict[Rule, Found],
    i: int,
    chances: Chances,
    *,
    traffic: Traffic,
    runs: int,
    random: np.random.Generator,
) -> None:
    bins = HOUR // BIN_SECONDS
    counts = _draw(chances.faulty[:, :bins], (runs, bins), traffic, random)
    for rule, seconds in _verdicts(counts, tuple(found)):
        found[rule].fresh[i] = seconds


def _late(
    found: dict[Rule, Found],
    i: int,
    chances: Chances,
    *,
    traffic: Traffic,
    runs: int,
    random: np.random.Generator,
) -> None:
    bins = chances.healthy.shape[1]
    begins = HOUR + random.uniform(0, SPARE_SECONDS, (runs, 1))
    at_fault = np.clip((np.arange(1, bins + 1) * BIN_SECONDS - begins) / BIN_SECONDS, 0, 1)
    chance = (1 - at_fault) * chances.healthy + at_fault * chances.faulty
    counts = _draw(chance, (runs, bins), traffic, random)
    for rule, seconds in _verdicts(counts, tuple(found)):
        since = seconds - begins[:, 0]
        found[rule].late[i] = np.where(since <= 0, math.nan, np.where(since <= HOUR, since, math.inf))


def _binned(chance: Floats) -> Floats:
    return chance.reshape(len(chance), -1, BIN_SECONDS).mean(axis=2)


def _draw(
    chance: Floats, shape: tuple[int, int], traffic: Traffic, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw the candidate's bad and all requests of each bin."""
    mean = traffic.rate * traffic.weight * BIN_SECONDS
    bad = random.poisson(mean * chance, shape)
    return bad, bad + random.poisson(mean * (1 - chance), shape)


def _verdicts(counts: tuple[Floats, Floats], rules: tuple[Rule, ...]) -> Iterator[tuple[Rule, Floats]]:
    """Yield, for each rule, the seconds to the check that ends the rollout; infinite without one."""
    failed: dict[tuple[int, float, bool], Floats] = {}
    for rule in rules:
        key = (rule.interval, rule.success, rule.empty_fails)
        if key not in failed:
            failed[key] = _failed_checks(counts, rule)
        reached = failed[key] >= rule.checks
        ticks = reached.argmax(axis=1) + 1.0
        yield rule, np.where(reached[:, -1], ticks * rule.interval, math.inf)


def _failed_checks(counts: tuple[Floats, Floats], rule: Rule) -> Floats:
    """Number of failed checks so far, at each check."""
    bins = rule.interval // BIN_SECONDS
    bad, requests = (c.reshape(len(c), -1, bins).sum(axis=2) for c in counts)
    fails = bad > (1 - rule.success) * requests + 1e-9
    if rule.empty_fails:
        fails |= requests == 0
    return fails.cumsum(axis=1, dtype=np.int16)


# --- slow answers ------------------------------------------------------------------------------------------

BLOCK = int(SLOW_BOUNDS.pause_seconds)


def slow_guard_found(
    shares: tuple[float, float], traffic: Traffic, runs: int, random: np.random.Generator
) -> Found:
    """Run the slow signal, where legacy and the candidate are slow in these shares of their answers."""
    start = np.tile(opening(SLOW_BOUNDS), (runs, 1))
    fresh, _ = _watch_blocks(start, shares, traffic, random, started=0)
    alarms, wealth = _watch_blocks(start, (shares[0], shares[0]), traffic, random, started=0)
    late, _ = _watch_blocks(wealth, shares, traffic, random, started=HOUR)
    late[np.isfinite(alarms)] = math.nan
    return Found(fresh[None, :], late[None, :], float(np.isfinite(alarms).mean()))


def _watch_blocks(
    wealth: Floats, shares: tuple[float, float], traffic: Traffic, random: np.random.Generator, started: int
) -> tuple[Floats, Floats]:
    found = np.full(len(wealth), math.inf)
    nothing = np.zeros((len(wealth), len(Event)))
    for block in range(HOUR // BLOCK):
        excess, both = _excess(len(wealth), shares, traffic, random)
        after = step(
            SLOW_BOUNDS,
            wealth,
            nothing,
            weight=traffic.weight,
            starts=Starts(
                slow=log_share(SLOW_BOUNDS, looked, BLOCK) if (looked := started + BLOCK * block) else NEVER
            ),
            excess=np.stack([excess, np.zeros_like(excess)], axis=-1),
        )
        wealth = np.where(both[:, None], after, wealth)
        hit = (totals(SLOW_BOUNDS, wealth)[:, 0] >= SLOW_BOUNDS.log_limit) & np.isinf(found)
        found[hit] = (block + 1) * BLOCK
    return found, wealth


def _excess(
    runs: int, shares: tuple[float, float], traffic: Traffic, random: np.random.Generator
) -> tuple[Floats, NDArray[np.bool_]]:
    """Draw a block: the excess of the slow shares, and whether both arms had a request."""
    legacy = random.poisson(traffic.rate * (1 - traffic.weight) * BLOCK, runs)
    candidate = random.poisson(traffic.rate * traffic.weight * BLOCK, runs)
    old = random.binomial(legacy, shares[0]) / np.maximum(legacy, 1)
    new = random.binomial(candidate, shares[1]) / np.maximum(candidate, 1)
    return new - SLOW_BOUNDS.ratio * old - CONTRACT.slow, (legacy > 0) & (candidate > 0)
