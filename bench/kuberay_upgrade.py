"""The way back from half of the traffic: Turnout and KubeRay's incremental upgrade on one cluster, in turns.

One command as root on a Debian 12, some 15 minutes, and as many again before the first time, for builds:

    python bench/kuberay_upgrade.py

It brings a real node up with Envoy Gateway and KubeRay's operator; adds a line to
bench/results/kuberay_upgrade.jsonl for each way back, and makes kuberay_upgrade.md and kuberay_upgrade.svg
beside it of all lines that are there. `--arm` chooses (it may be given again), `--repeats N` says how often
each goes there and back, and `--page` makes the page alone.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import kuberay_arms
import runs
from canary_site import Site, clients, cluster, namespace
from kuberay_arms import LONGEST_SECONDS, PACES, Arm
from kuberay_page import RATE, WORDS, Run, page, plot, row
from live_rig import wait

from turnout.lab.cluster.addons.names import KUBERAY

RESULTS = Path(__file__).parent / "results" / "kuberay_upgrade.jsonl"
HALF_SECONDS = 4.0
"""At half of the traffic, before the decision: less than the shortest interval from one step to the next."""

AFTERWARDS_SECONDS = 5.0


def measure(one: Site, arm: Arm, name: str, *, load: float) -> Run:
    """Go to half of the traffic and back; `load` is the machine's before the cluster was up."""
    with clients(one, arm.host, port=arm.port, rate=RATE, bodies=True) as told:
        arm.go()
        time.sleep(HALF_SECONDS)
        decided = time.time()
        arm.back()
        wait(arm.over, LONGEST_SECONDS, "all traffic is back")
        over = time.time() - decided
        time.sleep(AFTERWARDS_SECONDS)
    ((_, bodies),) = told["bodies"].items()
    moments = {body: [at - decided for at in answered] for body, answered in bodies.items()}
    failed = [(round(at - decided, 2), why) for listed in told["failures"].values() for at, why in listed]
    return Run(
        arm=name, last=max(moments["candidate"]), over=over, sent=told["sent"], failed=failed, load=load,
        shares=_shares(moments["candidate"], moments["legacy"]),
    )  # fmt: skip


def _shares(candidate: list[float], legacy: list[float]) -> list[tuple[int, int, int]]:
    """For each second from the last before the decision on: answers of the candidate, and of legacy."""
    seconds = range(-round(HALF_SECONDS), int(max(candidate + legacy)) + 1)
    return [(second, _within(candidate, second), _within(legacy, second)) for second in seconds]


def _within(moments: list[float], second: int) -> int:
    return sum(second <= at < second + 1 for at in moments)


def _chosen(one: Site, arm: str, space: str) -> AbstractContextManager[Arm]:
    if arm == "turnout":
        return kuberay_arms.turnout(one, space)
    return kuberay_arms.kuberay(one, space, *PACES[arm])


def measured(arms: list[str], repeats: int) -> Iterator[Run]:
    """Run everything on one cluster."""
    load = os.getloadavg()[0]
    with cluster(KUBERAY) as one:
        for arm in arms:
            with namespace(one, arm) as space, _chosen(one, arm, space) as model:
                for _ in range(repeats):
                    yield measure(one, model, arm, load=load)


def main() -> None:
    """Measure, write each run down, and make the page of all of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--arm", action="append", choices=tuple(WORDS))
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--page", action="store_true", help="measure nothing, make the page anew")
    asked = parser.parse_args()
    if not asked.page:
        runs.keep(RESULTS, measured(asked.arm or list(WORDS), asked.repeats), lambda run: row([run]))
    runs.draw(RESULTS, Run, page, plot)


if __name__ == "__main__":
    main()
