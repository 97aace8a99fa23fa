"""A failing candidate at half of the traffic: Turnout and Argo Rollouts on one cluster, in turns.

One command as root on a Debian 12, some 15 minutes, and as many again before the first time, for builds:

    python bench/argo_rollouts.py

It brings a real node up with Envoy Gateway, Argo Rollouts' controller and its Gateway API plugin from their
own modules, and a Prometheus; adds a line to bench/results/argo_rollouts.jsonl for each run, and makes
argo_rollouts.md and argo_rollouts.svg beside it of all lines that are there. `--arm` and `--failing` choose
(each may be given again), `--repeats N` says how often, `--together` runs an arm's faults at the same time,
and `--page` makes the page alone.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import canary_arms
import runs
from argo_page import AFTERWARDS_SECONDS, DRAWN, FAILING, WORDS, Run, page, plot, row
from canary_arms import Analysis, Arm
from canary_site import Site, clients, namespace, say, seen, site

from turnout.lab.cluster.addons import rollouts

RESULTS = Path(__file__).parent / "results" / "argo_rollouts.jsonl"
PACES = {
    "argo-5s": Analysis(interval="5s", window="10s", failure_limit=0, delay="5s"),
    "argo-60s": Analysis(interval="60s", window="5m", failure_limit=0, function="irate"),
    "argo-5m": Analysis(interval="5m", window="5m", failure_limit=3, function="irate"),
}
BEFORE_SECONDS = 2.0
LONGEST_SECONDS = 1500.0
"""Argo's verdict at five minutes and three failures let pass comes after 15 minutes at the earliest."""

_LOOK_SECONDS = 0.05


def measure(one: Site, arm: str, failing: int, number: int, *, load: float) -> Run:
    """Run one candidate until 5 s after the verdict; `load` is the machine's before the cluster was up."""
    with namespace(one, f"{arm}-{failing}-{number}") as space, _chosen(one, arm, space, failing) as model:
        with clients(one, model.host) as told:
            time.sleep(BEFORE_SECONDS)
            model.give()
            until = time.monotonic() + LONGEST_SECONDS
            while (verdict := model.verdict()) is None:
                if time.monotonic() > until:
                    raise TimeoutError(f"no verdict of {arm} within {LONGEST_SECONDS:g} s")
                time.sleep(_LOOK_SECONDS)
            time.sleep(AFTERWARDS_SECONDS)
        answers = seen(one, space, model.candidate)
    if not answers.requests:
        raise RuntimeError(f"{arm}: the candidate got no request before the verdict: {verdict.reason}")
    first, last = answers.requests[0][0], answers.requests[-1][0]
    failed = [(round(at - first, 3), why) for listed in told["failures"].values() for at, why in listed]
    return Run(
        arm=arm, failing=failing, verdict=verdict.at - first, last=last - verdict.at,
        requests=len(answers.requests), bad=len(answers.bad), sent=told["sent"], failed=failed,
        reason=verdict.reason, load=load,
    )  # fmt: skip


def _chosen(one: Site, arm: str, space: str, failing: int) -> AbstractContextManager[Arm]:
    if arm == "turnout":
        return canary_arms.turnout(one, space, failing)
    return canary_arms.argo(one, space, failing, PACES[arm])


def measured(arms: list[str], faults: list[int], repeats: int, *, together: bool) -> Iterator[Run]:
    """Run everything on one cluster, arms in turns."""
    rollouts.build(say, env={})  # not every machine can: no cluster is brought up for nothing
    load = os.getloadavg()[0]
    with site() as one, ThreadPoolExecutor(len(faults) if together else 1) as pool:
        for number, arm in product(range(repeats), arms):
            runs = [pool.submit(measure, one, arm, failing, number, load=load) for failing in faults]
            for run in runs:
                yield run.result()


def main() -> None:
    """Measure, write each run down, and make the page of all of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--arm", action="append", choices=tuple(WORDS))
    parser.add_argument("--failing", action="append", type=int, choices=FAILING)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--together", action="store_true")
    parser.add_argument("--page", action="store_true", help="measure nothing, make the page anew")
    asked = parser.parse_args()
    if not asked.page:
        arms, faults = asked.arm or list(DRAWN), asked.failing or list(FAILING)
        measuring = measured(arms, faults, asked.repeats, together=asked.together)
        runs.keep(RESULTS, measuring, lambda run: f"{row([run])} {run.reason}")
    runs.draw(RESULTS, Run, page, plot)


if __name__ == "__main__":
    main()
