"""How long a dead candidate is sent requests, live: from its first failure to the rollback and to the last.

One command, some 20 minutes, writes bench/results/live_detection.md:

    python bench/live_detection.py

Nothing is simulated: one Envoy, the sentinel as the lab starts it, a legacy server and a candidate for each
route, clients that send open-loop at 20 requests a second and route. All routes run at once; each candidate
is healthy for 15 minutes at weight 10 % and then, at a moment of its own, fails every request at once, or
hangs. The times are the candidates' own: the first request that they failed, the last that they got.
"""

import argparse
import os
import platform
import random
import statistics
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from live_rig import Rig, Told, cpu_seconds, rig, wait

RESULTS = Path(__file__).parent / "results" / "live_detection.md"
RATE = 20.0
WEIGHT = 0.1
SPREAD_SECONDS = 30.0
LONGEST_SECONDS = 120.0
"""After its fault a candidate that is not rolled back within this time counts as never."""

AFTERWARDS_SECONDS = 5.0
TRY_SECONDS = 2.0
CONTRACT = {"policy": {"try_seconds": TRY_SECONDS}}
WORDS = {"fail": "fails every request at once", "hang": "lets every request hang"}


@dataclass(frozen=True)
class Run:
    """What became of one route.

    Attributes:
        model: Its name.
        fault: What its candidate did.
        detected: Seconds from the first faulty request to the tombstone; infinite: never.
        last: Seconds from the tombstone to the candidate's last request; negative: there was none after it.
        faulty: Requests that the candidate got from its first faulty one on.
        failures: Failed requests of the route's clients, from the start of traffic to the end.
        reason: What the tombstone says.
    """

    model: str
    fault: str
    detected: float
    last: float
    faulty: int
    failures: int
    reason: str


@dataclass(frozen=True)
class Load:
    """Shares of a core over the time of health, and requests a second, so that the figures can be trusted."""

    sentinel: float
    envoy: float
    clients: float
    servers: float
    requests: float


def begin(one: Rig) -> None:
    """Bring every route to weight 10 %, its candidate armed."""
    for model in one.models:
        one.router.register(one.registration(model))
        one.router.open(one.opening(model))
    wait(lambda: armed(one) == len(one.models), 60, "all candidates are armed")
    for model in one.models:
        one.set_weight(model, WEIGHT)


def armed(one: Rig) -> int:
    """Candidates that the router may send to."""
    return sum(standing["armed"] for standing in one.standings().values())


def stay_healthy(one: Rig, seconds: float) -> None:
    """Let time pass, and see that nobody is rolled back meanwhile."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(60.0, left))
        live = sum(one.router.read(model).attempt is not None for model in one.models)
        print(f"{max(0, until - time.monotonic()):.0f} s of health to go, {live} live", file=sys.stderr)


def break_all(one: Rig, servers: Told, faults: dict[str, str]) -> None:
    """Break each candidate at a moment of its own, and wait until all are rolled back."""
    start = time.time() + 2.0
    for model, fault in faults.items():
        at = start + random.uniform(0, SPREAD_SECONDS)
        servers.tell({"port": one.candidate[model], "fault": fault, "at": at})
    until = start + SPREAD_SECONDS + LONGEST_SECONDS
    while time.time() < until and any(one.router.read(model).attempt for model in one.models):
        time.sleep(0.5)
    time.sleep(AFTERWARDS_SECONDS)


def measure(faults: dict[str, str], health_seconds: float) -> tuple[list[Run], Load]:
    """Run all routes once."""
    with rig(list(faults), CONTRACT) as one:
        one.prepare()
        servers = one.start_servers()
        one.start_envoy()
        sentinel = one.start_sentinel()
        clients_began = time.monotonic()
        begin(one)
        clients = one.start_clients(RATE)
        pids = (sentinel.pid, one.envoy_pid(), clients.process.pid, servers.process.pid)
        used, began = [cpu_seconds(pid) for pid in pids], time.monotonic()
        stay_healthy(one, health_seconds)
        took = time.monotonic() - began
        shares = [(cpu_seconds(pid) - before) / took for pid, before in zip(pids, used, strict=True)]
        break_all(one, servers, faults)
        told = clients.finish()
        sending = time.monotonic() - clients_began
        seen = servers.finish()
        runs = [_run(one, model, fault, seen, told) for model, fault in faults.items()]
    return runs, Load(*shares, requests=told["sent"] / sending)


def _run(one: Rig, model: str, fault: str, seen: dict[str, Any], told: dict[str, Any]) -> Run:
    server = seen[str(one.candidate[model])]
    stone = one.router.tombstone(model, one.attempt(model))
    first = server["first_fault_at"]
    return Run(
        model=model,
        fault=fault,
        detected=stone.at_seconds - first if stone and first else float("inf"),
        last=server["last_at"] - stone.at_seconds if stone else float("inf"),
        faulty=int(server["faulty"]),
        failures=len(told["failures"].get(str(one.listen[model]), [])),
        reason=stone.reason if stone else "never rolled back",
    )


def page(runs: list[Run], load: Load, health_seconds: float) -> str:
    """Write everything as Markdown."""
    columns = (
        "the candidate",
        "routes",
        "first failure to rollback: median",
        "90th percentile",
        "longest",
        "rollback to the candidate's last request: longest",
        "faulty requests: median",
        "clients' failures",
    )
    said = f"""Made by `python bench/live_detection.py`: {len(runs)} routes at once, each at {RATE:g} requests
    a second (open loop, Poisson) and weight {WEIGHT:.0%}, after {health_seconds:g} s of health. Bounds as a
    contract without any has them, one try of the candidate {TRY_SECONDS:g} s. Real Envoy, sentinel, servers
    and clients on {os.cpu_count()} cores ({platform.machine()}), which they shared. Times are those of the
    candidates themselves: the first request that they failed, the last that they got. Over the time of
    health, {load.requests:.0f} requests a second; shares of a core: sentinel {load.sentinel:.1%}, Envoy
    {load.envoy:.1%}, clients {load.clients:.1%}, servers {load.servers:.1%}."""
    lines = ["# Live: from a candidate's first failure to the rollback", ""]
    lines += [textwrap.fill(" ".join(said.split()), 110), ""]
    lines += [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for fault, words in WORDS.items():
        chosen = [run for run in runs if run.fault == fault]
        lines += [_row(words, chosen)] if chosen else []
    lines += ["", "## All runs", "", "Negative: the rollback came before any further request.", ""]
    lines += [
        "| the candidate | first failure to rollback | rollback to last request | the sentinel's reason |"
    ]
    lines += ["|---|---|---|---|"]
    lines += [
        f"| {WORDS[run.fault]} | {run.detected:.2f} s | {run.last:+.3f} s | {run.reason} |"
        for run in sorted(runs, key=lambda run: (run.fault, run.detected))
    ]
    return "\n".join(lines) + "\n"


def _row(words: str, runs: list[Run]) -> str:
    times = sorted(run.detected for run in runs)
    ninth = times[max(0, -(-9 * len(times) // 10) - 1)]
    return (
        f"| {words} | {len(runs)} | {statistics.median(times):.1f} s | {ninth:.1f} s | {times[-1]:.1f} s "
        f"| {max(run.last for run in runs):+.3f} s | {statistics.median(run.faulty for run in runs):g} "
        f"| {sum(run.failures for run in runs)} |"
    )


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--failing", type=int, default=20, help="routes whose candidate fails at once")
    parser.add_argument("--hanging", type=int, default=20, help="routes whose candidate hangs")
    parser.add_argument("--health-seconds", type=float, default=900.0)
    parser.add_argument("--try-out", action="store_true", help="print only, write nothing")
    chosen = parser.parse_args()
    faults = {f"fail{number}": "fail" for number in range(chosen.failing)}
    faults |= {f"hang{number}": "hang" for number in range(chosen.hanging)}
    text = page(*measure(faults, chosen.health_seconds), chosen.health_seconds)
    print(text)
    if not chosen.try_out:
        RESULTS.write_text(text)


if __name__ == "__main__":
    main()
