"""Seconds until a bad candidate is convicted: the guard beside the rules of Flagger and Argo Rollouts.

One command, some four minutes on one core, prints Markdown and writes it with a plot to `bench/results`:

    python bench/detection.py

Equal false alarms: of each rule only those settings take part that convict at most alpha of healthy
candidates within an hour, and of these the best one is taken anew for every single figure. The rules and the
traffic are in `bench/detection_simulated.py`.
"""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from detection_simulated import (
    ARGO,
    CONTRACT,
    FLAGGER,
    HOUR,
    SCENARIOS,
    SHARE_OF_ALPHA,
    Floats,
    Found,
    Rule,
    Scenario,
    Traffic,
    guard_found,
    late_limit_seconds,
    limit_seconds,
    medians,
    rules_found,
    slow_guard_found,
    steady,
)
from scipy.stats import binom, norm

RESULTS = Path(__file__).resolve().parent / "results"
ERRORS = np.array([0.005, 0.01, 0.03, 0.05, 0.1, 0.3, 1.0])
TRAFFICS = tuple(Traffic(rate, weight) for rate, weight in product((1, 5, 20, 100, 500), (0.1, 0.5)))
STATES = ("fresh", "late")
GUARD_RUNS, RULE_RUNS, HEALTHY_RUNS = 100, 200, 1000
SEED = 20_260_301


@dataclass(frozen=True)
class Cell:
    """One scenario at one traffic.

    Attributes:
        scenario: Legacy's chance of failing.
        traffic: Requests a second, and the weight.
        guard: What the guard found.
        rules: What each setting of both rules found.
    """

    scenario: Scenario
    traffic: Traffic
    guard: Found
    rules: dict[Rule, Found]

    def guard_medians(self, state: str) -> Floats:
        """Median seconds of the guard, by error rate."""
        return medians(getattr(self.guard, state))

    def allowed(self, rules: tuple[Rule, ...]) -> set[Rule]:
        """Settings that convict at most alpha of healthy candidates."""
        return {rule for rule in rules if self.rules[rule].false <= CONTRACT.alpha}

    def best(self, allowed: set[Rule], state: str) -> Floats:
        """Median seconds of the best allowed setting, by error rate; infinite where there is none."""
        rows = [medians(getattr(self.rules[rule], state)) for rule in self.rules if rule in allowed]
        return np.min(rows, axis=0) if rows else np.full(len(ERRORS), math.inf)

    def limits(self, of: Callable[[Traffic, float, float], float]) -> Floats:
        """Least seconds of any test with the guard's promise; not a number where not derived."""
        if self.scenario.base is None:
            return np.full(len(ERRORS), math.nan)
        return np.array([of(self.traffic, self.scenario.base, error) for error in ERRORS])


def simulate(random: np.random.Generator) -> list[Cell]:
    """Run every scenario at every traffic."""
    cells = []
    for scenario, traffic in product(SCENARIOS, TRAFFICS):
        guard = guard_found(scenario, traffic, ERRORS, GUARD_RUNS, random)
        rules = rules_found(
            scenario, traffic, ERRORS, rules=FLAGGER + ARGO, runs=(RULE_RUNS, HEALTHY_RUNS), random=random
        )
        cells.append(Cell(scenario, traffic, guard, rules))
        print(f"{scenario.name}, {traffic.rate}/s, weight {traffic.weight}", file=sys.stderr)
    return cells


def blind(cells: list[Cell], traffic: Traffic, rules: tuple[Rule, ...]) -> set[Rule]:
    """Settings allowed in all scenarios at once: the choice of who does not know how legacy fails."""
    return set.intersection(*(cell.allowed(rules) for cell in cells if cell.traffic == traffic))


# --- what holds and what does not --------------------------------------------------------------------------


@dataclass(frozen=True)
class Figure:
    """One error rate of one cell in one state: medians in seconds, the best setting's for the rules."""

    cell: Cell
    state: str
    error: float
    guard: float
    limit: float
    unknown: float
    flagger: float
    flagger_blind: float
    argo: float
    argo_blind: float

    def name(self) -> str:
        """What the figure is of."""
        traffic = self.cell.traffic
        return f"{self.cell.scenario.name}, {traffic.rate}/s, w = {traffic.weight}, {self.error:.1%}"

    def excess(self, limit: str) -> float:
        """Guard's median in limits; a limit below one look counts as one."""
        return self.guard / max(1.0, getattr(self, limit))


def figures(cells: list[Cell]) -> list[Figure]:
    """List every figure of the tables."""
    listed = []
    for cell, state in product(cells, STATES):
        allowed = (cell.allowed(FLAGGER), blind(cells, cell.traffic, FLAGGER))
        others = (cell.allowed(ARGO), blind(cells, cell.traffic, ARGO))
        columns = [cell.guard_medians(state), cell.limits(limit_seconds), cell.limits(late_limit_seconds)]
        columns += [cell.best(rules, state) for rules in (*allowed, *others)]
        rows = zip(ERRORS.tolist(), *(column.tolist() for column in columns), strict=True)
        listed += [Figure(cell, state, *row) for row in rows]
    return listed


def targets_table(listed: list[Figure]) -> list[str]:
    """Say of each target in how many figures it holds, and where it falls short most."""
    rows = ["| target | state | held | furthest from it |", "|---|---|---|---|"]
    for state in STATES:
        near = [f for f in listed if f.state == state and math.isfinite(f.limit) and f.limit <= HOUR / 2]
        mild = [f for f in near if 0.03 <= f.error <= 0.1]
        strong = [f for f in near if f.error > 0.1]
        rows += [
            _limit_row("at most 2 limits, 3 % to 10 %", state, mild, 2),
            _limit_row("at most 4 limits, 30 % and 100 %", state, strong, 4),
        ]
        if state == "late":
            rows += [
                _limit_row("at most 2 limits at unknown times, 3 % to 10 %", state, mild, 2, "unknown"),
                _limit_row("at most 4 limits at unknown times, 30 % and 100 %", state, strong, 4, "unknown"),
                _reach_row("2 limits, 3 % to 10 %", mild, 2),
                _reach_row("4 limits, 30 % and 100 %", strong, 4),
            ]
    for state, rival in product(STATES, ("flagger", "flagger_blind")):
        rows.append(_rival_row(state, rival, [f for f in listed if f.state == state]))
    return rows


def _reach_row(target: str, listed: list[Figure], most: float) -> str:
    """Count in how many figures a test that does not know the moment could hold a target at all."""
    reachable = sum(max(1.0, f.unknown) <= most * max(1.0, f.limit) for f in listed)
    worst = max(listed, key=lambda f: f.unknown / max(1.0, f.limit))
    excess = f"{worst.unknown / max(1.0, worst.limit):.1f} limits ({worst.name()})"
    return f"| *possible at unknown times: {target}* | late | {reachable} of {len(listed)} | {excess} |"


def _limit_row(target: str, state: str, listed: list[Figure], most: float, limit: str = "limit") -> str:
    held = sum(f.excess(limit) <= most for f in listed)
    worst = max(listed, key=lambda f: f.excess(limit))
    most_seen = worst.excess(limit)
    excess = f"{most_seen:.1f}" if math.isfinite(most_seen) else "no verdict in an hour against 1"
    return f"| {target} | {state} | {held} of {len(listed)} | {excess} limits ({worst.name()}) |"


def _rival_row(state: str, rival: str, listed: list[Figure]) -> str:
    busy = [f for f in listed if f.error >= 0.1 and f.cell.traffic.rate >= 20]
    held = sum(math.isfinite(f.guard) and getattr(f, rival) >= 4 * f.guard for f in busy)
    worst = min(busy, key=lambda f: getattr(f, rival) / f.guard)
    name = "Flagger's best" if rival == "flagger" else "Flagger's best that is safe in all scenarios"
    times = getattr(worst, rival) / worst.guard
    return (
        f"| 4 times faster than {name}, from 10 % and 20/s | {state} | {held} of {len(busy)} "
        f"| {times:.1f} times ({worst.name()}) |"
    )


def slower_table(listed: list[Figure]) -> list[str]:
    """Count, by error rate, the figures in which the guard is slower than the best setting of a rule."""
    head = " | ".join(f"{error:.1%}" for error in ERRORS)
    rows = [f"| guard slower than | {head} |", "|---|" + "---|" * len(ERRORS)]
    names = (
        ("flagger", "Flagger, tuned"),
        ("flagger_blind", "Flagger, one safe in all scenarios"),
        ("argo", "Argo, tuned"),
        ("argo_blind", "Argo, one safe in all scenarios"),
    )
    for (field, name), state in product(names, STATES):
        counts = []
        for error in ERRORS:
            same = [f for f in listed if f.state == state and f.error == error]
            slower = sum(f.guard > getattr(f, field) for f in same)
            counts.append(f"{slower} of {len(same)}")
        rows.append(f"| {name}, {state} | " + " | ".join(counts) + " |")
    return rows


# --- tables ------------------------------------------------------------------------------------------------


def seconds(value: float) -> str:
    """Write a median: short, and what no verdict and no figure look like."""
    if math.isnan(value):
        return "?"
    if not math.isfinite(value) or value > HOUR:
        return "-"
    return f"{value:.1f}" if value < 9.95 and value != round(value) else f"{value:.0f}"


def scenario_table(listed: list[Figure], scenario: Scenario) -> list[str]:
    """Tabulate one scenario: guard / Flagger / Argo / limit."""
    head = " | ".join(f"{error:.1%}" for error in ERRORS)
    rows = [f"| requests/s, weight, state | {head} |", "|---|" + "---|" * len(ERRORS)]
    for traffic, state in product(TRAFFICS, STATES):
        mine = [f for f in listed if f.cell.scenario is scenario and f.cell.traffic == traffic]
        cells = [_entry(f, limited=scenario.base is not None) for f in mine if f.state == state]
        rows.append(f"| {traffic.rate}, {traffic.weight}, {state} | " + " | ".join(cells) + " |")
    return rows


def _entry(figure: Figure, *, limited: bool) -> str:
    limit = figure.limit if figure.state == "fresh" else figure.unknown
    values = [figure.guard, figure.flagger, figure.argo, *([limit] if limited else [])]
    guard, *others = (seconds(value) for value in values)
    return " / ".join([f"**{guard}**", *others])


def settings_table(cells: list[Cell]) -> list[str]:
    """Count the settings that keep alpha, by traffic and scenario; show the guard's false alarms beside."""
    head = " | ".join(scenario.name for scenario in SCENARIOS)
    rows = [f"| requests/s, weight | {head} | all |", "|---|" + "---|" * (len(SCENARIOS) + 1)]
    for traffic in TRAFFICS:
        mine = [cell for cell in cells if cell.traffic == traffic]
        counts = [f"{len(cell.allowed(FLAGGER))}, {len(cell.allowed(ARGO))}" for cell in mine]
        counts.append(f"{len(blind(cells, traffic, FLAGGER))}, {len(blind(cells, traffic, ARGO))}")
        rows.append(f"| {traffic.rate}, {traffic.weight} | " + " | ".join(counts) + " |")
    return rows


def margin(cells: list[Cell]) -> str:
    """State the simulation's own margin."""
    spread = []
    low, high = binom.ppf((0.025, 0.975), GUARD_RUNS, 0.5).astype(int)
    for cell, state in product(cells, STATES):
        ordered = np.sort(getattr(cell.guard, state), axis=1)
        spread += [(r[high] - r[low]) / 2 / r[GUARD_RUNS // 2] for r in ordered if np.isfinite(r[high])]
    alarms = round(sum(cell.guard.false for cell in cells) * GUARD_RUNS)
    runs = GUARD_RUNS * len(cells)
    share = 1.96 * math.sqrt(CONTRACT.alpha * (1 - CONTRACT.alpha) / HEALTHY_RUNS)
    return (
        f"Margin: {GUARD_RUNS} runs a figure for the guard, {RULE_RUNS} for the rules; the 95 % interval of "
        f"the guard's medians reaches {np.median(spread):.0%} to either side in half of the figures, "
        f"{np.quantile(spread, 0.95):.0%} in 95 % of them. A setting's false alarms are known to "
        f"{share:.1%} at alpha ({HEALTHY_RUNS} runs). The guard's own false alarms in an hour of health: "
        f"{alarms} of {runs} runs over all scenarios; its share of alpha allows {SHARE_OF_ALPHA:.2%}."
    )


# --- slow answers ------------------------------------------------------------------------------------------

SPREAD = 0.5
"""Standard deviation of the log of an answer's duration; durations are log-normal."""
FACTORS = (1.1, 1.5, 3.0)
MAXIMA = (1.1, 1.25, 1.5, 2.0)
LATENCY_TRAFFICS = tuple(Traffic(rate, weight) for rate, weight in product((5, 20, 100), (0.1, 0.5)))


def beyond(quantile: float, times: float, factor: float) -> float:
    """Share of answers slower than `times` legacy's quantile, of an arm slower by a factor."""
    return float(norm.sf(norm.ppf(quantile) + math.log(times / factor) / SPREAD))


def latency_table(random: np.random.Generator) -> list[str]:
    """Tabulate medians by how much slower the candidate is."""
    columns = " | ".join(f"{factor:g} times as slow" for factor in FACTORS)
    rows = [f"| requests/s, weight, state | {columns} |", "|---|" + "---|" * len(FACTORS)]
    for traffic in LATENCY_TRAFFICS:
        guards = [_slow_guard(quantile, traffic, random) for quantile in (0.99, 0.9)]
        flagger = _slow_flagger(traffic, random)
        for state in STATES:
            cells = [
                f"**{seconds(guards[0][state][i])}** / **{seconds(guards[1][state][i])}** "
                f"/ {seconds(flagger[state][i])}"
                for i in range(len(FACTORS))
            ]
            rows.append(f"| {traffic.rate}, {traffic.weight}, {state} | " + " | ".join(cells) + " |")
    return rows


def _slow_guard(quantile: float, traffic: Traffic, random: np.random.Generator) -> dict[str, list[float]]:
    found = [
        slow_guard_found((1 - quantile, beyond(quantile, 1.0, factor)), traffic, GUARD_RUNS, random)
        for factor in FACTORS
    ]
    return {state: [medians(getattr(f, state))[0] for f in found] for state in STATES}


def _slow_flagger(traffic: Traffic, random: np.random.Generator) -> dict[str, Floats]:
    """Run `request-duration`: the 99th percentile is above a maximum if over 1 % of the answers are."""
    rules = tuple(rule for rule in FLAGGER if rule.success == 0.99)
    best = {state: np.full(len(FACTORS), math.inf) for state in STATES}
    for times in MAXIMA:
        calm = steady(beyond(0.99, times, 1.0))
        shares = np.array([beyond(0.99, times, factor) for factor in FACTORS])
        runs = (RULE_RUNS, HEALTHY_RUNS)
        found = rules_found(calm, traffic, shares, rules=rules, runs=runs, random=random)
        for one, state in product(found.values(), STATES):
            if one.false <= CONTRACT.alpha:
                best[state] = np.minimum(best[state], medians(getattr(one, state)))
    return best


# --- plot --------------------------------------------------------------------------------------------------


def plot(listed: list[Figure], path: Path) -> None:
    """Draw time to detection over the candidate's error rate, fresh, legacy at 0.5 %."""
    mpl.rcParams["svg.hashsalt"] = "detection"
    rates, weights = (5, 20, 100), (0.1, 0.5)
    canvas, axes = plt.subplots(len(weights), len(rates), figsize=(11, 6), sharex=True, sharey=True)
    for (i, weight), (j, rate) in product(enumerate(weights), enumerate(rates)):
        mine = [f for f in listed if f.state == "fresh" and f.cell.scenario is SCENARIOS[1]]
        _panel(axes[i, j], [f for f in mine if f.cell.traffic == Traffic(rate, weight)])
        axes[i, j].set_title(f"{rate} requests/s, weight {weight}", fontsize=10)
    axes[0, 0].legend(fontsize=7)
    canvas.supxlabel("candidate fails (legacy: 0.5 %)")
    canvas.supylabel("median seconds to detection")
    canvas.tight_layout()
    canvas.savefig(path, metadata={"Date": None})
    plt.close(canvas)


def _panel(axes: plt.Axes, listed: list[Figure]) -> None:
    lines = (
        ("guard", "guard", "C0-o"),
        ("limit", "limit of any such test", "C0:"),
        ("flagger", "Flagger, tuned to this legacy", "C1-s"),
        ("flagger_blind", "Flagger, safe in all scenarios", "C1--s"),
        ("argo", "Argo Rollouts, tuned to this legacy", "C2-^"),
    )
    for field, label, style in lines:
        values = [getattr(f, field) for f in listed]
        axes.plot([f.error for f in listed], values, style, label=label, markersize=3)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(0.1, HOUR)
    axes.set_xticks(ERRORS, [f"{error * 100:g} %" for error in ERRORS], fontsize=7)
    axes.minorticks_off()
    axes.grid(alpha=0.3)


# --- the page ----------------------------------------------------------------------------------------------

HEAD = f"""# Time to detection: the guard beside two threshold rules

Made by `python bench/detection.py`, seeded. Errors; {CONTRACT.errors:.0%} tolerated on top of
{CONTRACT.ratio} times legacy's. The guard holds alpha {CONTRACT.alpha} over {len(CONTRACT.limits())} signals,
so {SHARE_OF_ALPHA:.2%} for errors alone; the rules may spend all of {CONTRACT.alpha:.0%} on errors. They
follow their documentation (see `bench/detection_simulated.py`) over intervals of 10, 30 and 60 s, success
rates of 99, 97, 95 and 90 %, Flagger's `threshold` 1, 2, 5, 10 and Argo's `failureLimit` 0, 2, 5:
{len(FLAGGER)} and {len(ARGO)} settings, credited with the fastest reaction that the documentation allows.

*Tuned*: the best of the settings that keep alpha in this very scenario and traffic, taken anew for every
figure, so by someone who knows how legacy fails and how the candidate will. *Safe in all scenarios*: the best
of those that keep alpha in all five at this traffic. The guard has one setting everywhere.

*Fresh*: bad from the start. *Late*: bad after an hour of health, whose failed checks still count for the
rules and speed them up; their alpha was asked of one hour only, the guard's holds for a day. Seconds are
medians; runs with a false alarm before the fault are left out. "-": no verdict within an hour in half of the
runs, no setting that keeps alpha, or a limit beyond an hour; for verdicts it counts as infinite below. In the
last two scenarios the candidate fails at its own rate or at legacy's, whichever is higher. The drift is at
its lowest when a fresh fault begins and at its highest when a late one does.

**Two limits.** *Fresh*: the least expected time of any test that convicts healthy candidates as rarely,
`ln(1/alpha_guard)` over the information a second. It is for a test that starts at the moment of the fault. A
test that does not know when the fault will come has to spread its chance of a false alarm over the day, and
needs `ln(H/(d*alpha_guard))` (`late_limit_seconds` in `bench/detection_simulated.py` says why, and for which
tests): two to four times as much. So after an hour of health no such test is within 2 limits of the first
kind where the second kind exceeds that; the rows "possible at unknown times" count where it is possible. The
guard's own price is less in the first hours of a rollout than late in the day.
A part of either limit is information that the guard leaves alone: that *fewer* requests of the candidate came
than the weight says. Bets on that would convict a candidate whose telemetry loses requests.

0.5 % and 1 % are within the guard's bounds (3 % is nearly so beside a legacy at 1 %): not convicting them is
what it promises. A rule that does convict them is quicker, and stricter than it was asked to be.
"""

LATENCY = """
Durations are log-normal (sigma 0.5), steady, without pauses. Guard with its slow limit at legacy's 99th / at
its 90th percentile (5 % tolerated on top of 1.25 times legacy's share), blocks of 5 s, then Flagger's
`request-duration` tuned likewise: 99th percentile above 1.1, 1.25, 1.5 or 2 times legacy's. The guard
tolerates 6.3 % / 17.5 % of the answers beyond its limit; a candidate 1.1 times as slow has {mild} there,
1.5 times {half}. The rule knows legacy's exact distribution, and nothing here drifts or pauses, which is what
the blocks are for; still, **on slowness the guard is the slower of the two in most of these figures**.
"""


def page(cells: list[Cell], latency: list[str]) -> str:
    """Write everything as Markdown."""
    listed = figures(cells)
    shares = [" / ".join(f"{beyond(q, 1.0, factor):.1%}" for q in (0.99, 0.9)) for factor in (1.1, 1.5)]
    parts = [HEAD, margin(cells), "\n## Targets\n"]
    parts += [
        "Figures whose limit is above half an hour are left out; a limit below one look counts as 1 s.\n"
    ]
    parts += [*targets_table(listed), "\nFigures in which the guard is slower:\n", *slower_table(listed)]
    parts += ["\n![Median seconds to detection](detection.svg)", "\n## Settings that keep alpha\n"]
    parts += [f"Flagger's of {len(FLAGGER)}, Argo's of {len(ARGO)}.\n", *settings_table(cells)]
    for scenario in SCENARIOS:
        parts += [f"\n## Legacy fails: {scenario.name}\n", _legend(scenario)]
        parts += scenario_table(listed, scenario)
    parts += ["\n## Slow answers", LATENCY.format(mild=shares[0], half=shares[1]), *latency]
    return "\n".join(parts) + "\n"


def _legend(scenario: Scenario) -> str:
    if scenario.base is None:
        return "**guard** / Flagger, tuned / Argo Rollouts, tuned. The limit is not derived for this one.\n"
    limit = "limit of any test with the guard's promise (late: at an unknown time)"
    return f"**guard** / Flagger, tuned / Argo Rollouts, tuned / {limit}.\n"


def main() -> None:
    """Simulate, print, and write the results."""
    began = time.monotonic()
    random = np.random.default_rng(SEED)
    cells = simulate(random)
    text = page(cells, latency_table(random))
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "detection.md").write_text(text)
    plot(figures(cells), RESULTS / "detection.svg")
    print(f"{time.monotonic() - began:.0f} s.", file=sys.stderr)


if __name__ == "__main__":
    main()
