"""The page and the plot of `bench/argo_rollouts.py`."""

import os
import platform
import statistics
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from canary_site import RATE

WORDS = {
    "turnout": "Turnout",
    "argo-5s": "Argo Rollouts, every 5 s",
    "argo-60s": "Argo Rollouts, every 60 s",
    "argo-5m": "Argo Rollouts, every 5 min",
}
DRAWN = ("turnout", "argo-5s", "argo-60s")
"""The others' time is of another order."""

FAILING = (30, 100)
"""Shares of the candidate's requests that fail, in percent."""

AFTERWARDS_SECONDS = 5.0
"""Clients go on for so long after the verdict."""


@dataclass(frozen=True)
class Run:
    """What became of one candidate. Seconds count from its first request, the moment that its weight held.

    Attributes:
        arm: Who guarded it.
        failing: Share of its requests that it failed, in percent.
        verdict: Seconds to the verdict.
        last: Seconds from the verdict to its last request; negative: there was none after it.
        requests: Requests that it answered.
        bad: Of these, badly.
        sent: Requests that clients sent, from 2 s before its weight to 5 s after the verdict.
        failed: The moments of clients' failed requests, and what clients got.
        reason: The verdict's words.
        load: The machine's load average of a minute before its cluster was brought up.
    """

    arm: str
    failing: int
    verdict: float
    last: float
    requests: int
    bad: int
    sent: int
    failed: list[tuple[float, str]]
    reason: str
    load: float


HEAD = """# A failing candidate at half of the traffic: Turnout and Argo Rollouts

Made by `python bench/argo_rollouts.py`: one node and one Gateway (Envoy Gateway v1.9.1), the same pods (one
of legacy, one of the candidate), the same clients ({rate:g} requests a second, open loop, Poisson, outside
the cluster) and the same fault, the two in turns. The candidate is ready at weight 0 and is given half of
the traffic; it is bad from its first request on. Everything is real and shares {cores} cores ({machine}).
Times are the candidate's own, by the log of its pod: seconds count from its first request, the moment that
its weight held.{beside}
"""
BESIDE = """

Other work ran on the machine beside the runs, both sides': its load average was up to {most:.1f} before the
cluster was brought up."""
TAIL = """Each line is one run; the dot is its verdict.

## What each was set to

- **Turnout**: a contract that names no bounds, one try of the candidate 2 s. The sentinel reads what the
  proxies send it of each request and judges each second.
- **Argo Rollouts** v1.9.0 with its Gateway API plugin v0.15.0: steps `setCanaryScale: 1`, `pause`,
  `setWeight: 50`, `pause`, promoted past the first pause as its command does it; a background
  AnalysisTemplate from the step of the weight on. It asks Prometheus, which reads the proxy's counters of
  the canary's backend each second, for the success rate: 95 % are asked for, as in the example of its
  documentation. The query is that example's, of Envoy Gateway's names, and in a form that has an answer
  when every request fails.
  - *Every 5 s*: the tightest that we held sensible. `interval: 5s`, `initialDelay: 5s` so that the first
    measurement has something to measure, no failure let pass (`failureLimit: 0`), a rate over 10 s.
  - *Every 60 s*: the documentation's example of several measurements (docs/features/analysis.md, Inline
    Analysis: `interval: 60s`, no `failureLimit`, `irate` over 5 minutes), run in the background. Its first
    measurement finds no counter yet, for Envoy Gateway makes none of a backend without a weight; Argo
    Rollouts holds that an error and tries again after 10 s. So the verdict comes then, and not after 60 s.
  - *Every 5 min*: the documentation's example of a background analysis (the same page, and
    docs/analysis/prometheus.md: `interval: 5m`, `failureLimit: 3`, `irate` over 5 minutes){documented}

## What differs

- **Who answers in the candidate's place.** Turnout's route sends a request that the candidate failed to
  legacy, so clients get an answer while the verdict is still out. Argo Rollouts moves weights and leaves
  the rest to the route: here every bad answer of the candidate reaches a client. A retry on the HTTPRoute
  (or Envoy Gateway's BackendTrafficPolicy) can be put beside it. It is not measured here. It
  tries the same canary again, so it can hide most of what fails now and then and nothing of what always
  fails, and Envoy counts tries that were repeated elsewhere than where this analysis looks.
- **What is judged.** Turnout weighs the candidate's requests against legacy's and against a chance of a
  false alarm that holds for the whole canary; one measurement below a threshold, as *every 5 s* has it,
  convicts a sound candidate in any bad moment ([how often](detection.md)). Letting failures pass makes it
  slower by so many intervals.
- **The way back** takes neither a second: one write of the HTTPRoute, and the proxy follows. Argo Rollouts'
  verdict is timed when its AnalysisRun is seen as failed, looked for each 0.05 s; Turnout's by the moment
  in its tombstone.
- **More failed than served badly**: a few requests of Argo Rollouts' clients fail before the candidate has
  got any. Envoy Gateway counts a rule's backends apart only where they have filters of their own, which makes
  each a cluster of its own, and the proxy has the new weight for a moment before it has the canary's.
- Argo Rollouts does more than this: it makes the canary's pods, and takes them away.
"""
NOT_RUN = """. Not
    among these runs: its fourth failed measurement, the first that is not let pass, comes 15 minutes after
    the first."""


def page(runs: list[Run]) -> str:
    """Write everything as Markdown."""
    columns = (
        "guarded by", "the candidate fails", "runs", "weight to verdict: median (range)",
        "verdict to the candidate's last request: longest", "failed client requests: median (range)",
        "served badly by the candidate: median (range)", "clients' requests: median",
    )  # fmt: skip
    lines = [HEAD.format(rate=RATE, cores=os.cpu_count(), machine=platform.machine(), beside=_beside(runs))]
    lines += [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for failing, arm in product(FAILING, WORDS):
        chosen = [run for run in runs if (run.arm, run.failing) == (arm, failing)]
        lines += [row(chosen)] if chosen else []
    documented = "." if any(run.arm == "argo-5m" for run in runs) else NOT_RUN
    lines += ["", "![Failed client requests over time](argo_rollouts.svg)", ""]
    return "\n".join([*lines, TAIL.format(documented=documented), *_shortcomings(runs)])


def _beside(runs: list[Run]) -> str:
    """Whether the machine had other work."""
    most = max(run.load for run in runs)
    return BESIDE.format(most=most) if most >= 1 else ""


def _shortcomings(runs: list[Run]) -> list[str]:
    """Each failed request of Turnout's clients, of which there should be none."""
    found = [
        f"- the candidate fails {run.failing} %: {why}, {at - run.verdict:+.2f} s from the verdict"
        for run in runs
        if run.arm == "turnout"
        for at, why in run.failed
    ]
    return ["## Turnout's failed requests", "", "There should be none:", "", *found, ""] if found else []


def row(runs: list[Run]) -> str:
    """A line of the table: an arm with a fault."""
    return (
        f"| {WORDS[runs[0].arm]} | {runs[0].failing} % | {len(runs)} "
        f"| {_spread([run.verdict for run in runs], '.1f')} s | {max(run.last for run in runs):+.2f} s "
        f"| {_spread([len(run.failed) for run in runs], '.0f')} "
        f"| {_spread([run.bad for run in runs], '.0f')} "
        f"| {statistics.median(run.sent for run in runs):.0f} |"
    )


def _spread(values: list[float] | list[int], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def plot(runs: list[Run], file: Path) -> None:
    """Draw the failed client requests of each run as they add up over time."""
    mpl.rcParams["svg.hashsalt"] = "argo_rollouts"
    figure, panels = plt.subplots(1, len(FAILING), figsize=(10, 4), sharex=True)
    for panel, failing in zip(panels, FAILING, strict=True):
        for number, arm in enumerate(DRAWN):
            for run in (run for run in runs if (run.arm, run.failing) == (arm, failing)):
                _line(panel, run, f"C{number}")
        panel.set(title=f"the candidate fails {failing} %", xlabel="seconds since its first request")
        panel.set_ylim(bottom=-5)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("failed client requests, added up")
    panels[0].legend(handles=_names(runs), frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def _line(panel: plt.Axes, run: Run, colour: str) -> None:
    times = sorted(at for at, _ in run.failed)
    end = run.verdict + AFTERWARDS_SECONDS
    panel.step([0, *times, end], [*range(len(times) + 1), len(times)], where="post", color=colour)
    panel.plot([run.verdict], [sum(at <= run.verdict for at in times)], "o", color=colour, markersize=4)


def _names(runs: list[Run]) -> list[mpl.lines.Line2D]:
    there = {run.arm for run in runs}
    return [
        mpl.lines.Line2D([], [], color=f"C{number}", label=WORDS[arm])
        for number, arm in enumerate(DRAWN)
        if arm in there
    ]
