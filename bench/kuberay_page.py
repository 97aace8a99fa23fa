"""The page and the plot of `bench/kuberay_upgrade.py`."""

import os
import platform
import statistics
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from kuberay_arms import PACES

RATE = 20.0
"""Requests a second; two Ray clusters share the machine with the clients."""

WORDS = {
    "turnout": "Turnout",
    "kuberay-example": "KubeRay, the guide's example",
    "kuberay-sample": "KubeRay, its own sample",
    "kuberay-careful": "KubeRay, as the guide recommends",
    "kuberay-hurried": "KubeRay, the guide's example, hurried on the way back",
}

HEAD = """# The way back from half of the traffic: Turnout and KubeRay's incremental upgrade

Made by `python bench/kuberay_upgrade.py`: one node with Envoy Gateway v1.9.1 and KubeRay's operator v1.6.0
with its feature gate RayServiceIncrementalUpgrade open, the same Ray clusters (Ray 2.60, one small head each
that answers with the name of its version, beside it Ray's autoscaler, which KubeRay asks for here), the same
clients ({rate:g} requests a second, open loop, Poisson, outside the cluster). Half of the traffic is on the
new version when it is decided to go back; seconds count from there, by what clients were answered (below
zero: nobody was answered by the new version any more).
Everything is real and shares {cores} cores ({machine}).{beside}
"""
BESIDE = """

Other work ran on the machine beside the runs, both sides': its load average was up to {most:.1f} before the
cluster was brought up."""
TAIL = """Each line is one way back.

## What each was set to

- **Turnout**: two RayServices, its route in front of them, its sentinel running. The decision is
  `Router.roll_back`, which `turnout rollback` and the sentinel call: one patch of the HTTPRoute.
- **KubeRay**: one RayService with `upgradeStrategy: NewClusterWithIncrementalUpgrade`. The decision is the
  old specification, applied again. KubeRay makes a Gateway and an HTTPRoute of its own; its GatewayClass is
  Envoy Gateway's, too.
  - *The guide's example* (Ray's documentation, RayService Zero-Downtime Incremental Upgrades, Example
    RayService Configuration): `stepSizePercent: 5`, `intervalSeconds: 10`, `maxSurgePercent: 20`.
  - *Its own sample* (config/samples/ray-service.incremental-upgrade.yaml of v1.6.0): 10, 30, 10.
  - *As the guide recommends* (How to upgrade safely): 10, 60, 20.
  - *Hurried on the way back*: there by the guide's example, and with the old specification
    `stepSizePercent: 100`, `intervalSeconds: 1`, `maxSurgePercent: 100`. No documentation has it. KubeRay
    then takes the new version's replicas away while the route still leads there, for one round of its
    controller (2 s): whoever is sent there waits 15 s for a 504.

## What differs

- **One write, or as many steps as there.** KubeRay v1.6.0 goes back at the pace that it came, so the new
  version is asked until the last step, however bad it is: half of the traffic takes 50 % / `stepSizePercent`
  steps of `intervalSeconds`. By its sample that makes 150 s, and 300 s as the guide recommends (what the
  table does not have was not run). Turnout's proxies follow one write.
- **Who decides.** KubeRay judges no answers; a person applies the old specification. Turnout's sentinel takes
  a failing candidate back by itself ([how fast](argo_rollouts.md)), by the same write.
- **Who answers meanwhile.** Both versions are sound here, so that nothing but the moving itself can fail a
  request. What a bad version fails reaches KubeRay's clients; Turnout's route sends it to the old version.
- **Room.** KubeRay takes capacity from one cluster as it gives it to the other, so that both need little more
  than one. Turnout leaves the old version its whole size until its owner retires it: it can have everything
  back at once.
- Ray's guide says of v1.5 that an upgrade cannot be rolled back; v1.6.0 does it, as an alpha.
"""
_COLUMNS = (
    "moved by", "pace", "runs", "decision to the new version's last answer: median (range)",
    "to the end of all that follows: median (range)", "failed client requests on the way back",
    "on the way there", "clients' requests: median",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One way back. Seconds count from the decision.

    Attributes:
        arm: Who moved the traffic.
        last: Seconds to the last answer of the new version that a client got; negative: there was none after.
        over: Seconds until all of it was done, by who did it.
        sent: Requests that clients sent, from before the way there to 5 s after the way back.
        failed: The moments of clients' failed requests, negative on the way there, and what clients got.
        load: The machine's load average of a minute before its cluster was brought up.
        shares: For each second, answers of the new version and of the old one.
    """

    arm: str
    last: float
    over: float
    sent: int
    failed: list[tuple[float, str]]
    load: float
    shares: list[tuple[int, int, int]]


def page(runs: list[Run]) -> str:
    """Write everything as Markdown."""
    lines = [HEAD.format(rate=RATE, cores=os.cpu_count(), machine=platform.machine(), beside=_beside(runs))]
    lines += [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    for arm in WORDS:
        chosen = [run for run in runs if run.arm == arm]
        lines += [row(chosen)] if chosen else []
    return "\n".join([*lines, "", "![The new version's share over time](kuberay_upgrade.svg)", "", TAIL])


def row(runs: list[Run]) -> str:
    """A line of the table: an arm."""
    back = [sum(at >= 0 for at, _ in run.failed) for run in runs]
    there = [sum(at < 0 for at, _ in run.failed) for run in runs]
    return (
        f"| {WORDS[runs[0].arm]} | {_pace(runs[0].arm)} | {len(runs)} "
        f"| {_spread([run.last for run in runs], '+.2f')} s | {_spread([run.over for run in runs], '.1f')} s "
        f"| {_spread(back, '.0f')} | {_spread(there, '.0f')} "
        f"| {statistics.median(run.sent for run in runs):.0f} |"
    )


def _pace(arm: str) -> str:
    if arm not in PACES:
        return "one write"
    _, pace = PACES[arm]
    return f"{pace.step} % of traffic each {pace.interval} s, {pace.surge} % of capacity"


def _beside(runs: list[Run]) -> str:
    """Whether the machine had other work."""
    most = max(run.load for run in runs)
    return BESIDE.format(most=most) if most >= 1 else ""


def _spread(values: list[float] | list[int], form: str) -> str:
    if len(values) == 1:
        return f"{values[0]:{form}}"
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def plot(runs: list[Run], file: Path) -> None:
    """Draw the new version's share of the answers as it falls."""
    mpl.rcParams["svg.hashsalt"] = "kuberay_upgrade"
    figure, panel = plt.subplots(figsize=(8, 4))
    arms = [arm for arm in WORDS if any(run.arm == arm for run in runs)]
    for number, arm in enumerate(arms):
        for run in (run for run in runs if run.arm == arm):
            seconds = [second for second, _, _ in run.shares]
            shares = [100 * new / (new + old) if new + old else 0 for _, new, old in run.shares]
            panel.step(seconds, shares, where="post", color=f"C{number}", linewidth=1)
    panel.legend(
        handles=[mpl.lines.Line2D([], [], color=f"C{n}", label=WORDS[arm]) for n, arm in enumerate(arms)],
        frameon=False, fontsize=8,
    )  # fmt: skip
    panel.set(xlabel="seconds since the decision to go back", ylabel="answered by the new version, %")
    panel.set_ylim(0, 100)
    panel.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
