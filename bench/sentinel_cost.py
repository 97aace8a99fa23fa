"""What the sentinel costs at 1, 100 and 1,000 routes with traffic, and how long its longest round takes.

One command, some eight minutes, writes bench/results/sentinel_cost.md:

    python bench/sentinel_cost.py

Everything is real: one Envoy with a listener and an armed candidate for each route, checking each candidate
with the sentinel twice a second; open-loop clients; the sentinel as the lab starts it. Processor time is read
from /proc over the measured time, all threads of the sentinel included. At the end some candidates fail
everything, for the time from the end of the second that convicts one to its rollback.
"""

import argparse
import json
import os
import platform
import re
import statistics
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from live_rig import Rig, Told, cpu_seconds, rig, wait

RESULTS = Path(__file__).parent / "results" / "sentinel_cost.md"
FIGURES = ((1, 2.0), (100, 2.0), (1000, 0.0), (1000, 2.0))
"""Routes, and requests a second and route."""
WEIGHT = 0.1
DEAD = 10
"""Candidates that fail everything when the cost has been measured, for the time that a verdict takes."""
WEIGHT_OF_DEAD = 0.5
FOLLOWED = 10
"""Most routes that Envoy follows by itself here: see `Rig.inline_routes`."""
LONGEST_SECONDS = 60.0
"""Candidates that are not rolled back by then are left out."""
BOUNDS = {"bounds": {"errors": 0.02, "slow": 0.2, "differs": 0.05, "slow_seconds": 0.5}}


@dataclass(frozen=True)
class Cost:
    """What was measured at one number of routes.

    Attributes:
        routes: Live attempts at weight 10 %.
        rate: Requests a second and route; 0: idle.
        share: Processor time of the sentinel as a share of one core.
        envoy_share: The same of Envoy.
        rounds: Length of each round, seconds.
        looks: Looks judged a second, over all routes.
        requests: Requests a second that the clients sent, over all routes.
        memory_mib: Resident memory of the sentinel.
        armed: Attempts armed at the end.
        reactions: Seconds from the end of the second that convicted a candidate to its rollback.
    """

    routes: int
    rate: float
    share: float
    envoy_share: float
    rounds: list[float]
    looks: float
    requests: float
    memory_mib: float
    armed: int
    reactions: list[float]


def measure(routes: int, rate: float, seconds: float) -> Cost:
    """Run one number of routes."""
    models = [f"m{number}" for number in range(routes)]
    with rig(models, BOUNDS) as one:
        one.prepare({model: WEIGHT_OF_DEAD if model in models[:DEAD] else WEIGHT for model in models})
        if routes > FOLLOWED:
            one.inline_routes()
        servers = one.start_servers()
        one.start_envoy()
        envoy = one.envoy_pid()
        sentinel = one.start_sentinel()
        clients = one.start_clients(rate) if rate else None
        began_sending = time.monotonic()
        wait(lambda: armed(one) == routes, 180, f"{routes} attempts are armed")
        time.sleep(10)
        looks = judged(one)
        used, spent, began = cpu_seconds(sentinel.pid), cpu_seconds(envoy), time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - began
        used, spent = cpu_seconds(sentinel.pid) - used, cpu_seconds(envoy) - spent
        looks = judged(one) - looks
        memory = memory_mib(sentinel.pid)
        at_end = armed(one)
        late = reactions(one, servers, models[:DEAD]) if rate else []
        sending = time.monotonic() - began_sending
        sent = clients.finish()["sent"] if clients else 0
        one.end()
        servers.process.wait(10)
        rounds = rounds_in((one.state.root / "sentinel.log").read_text())
    return Cost(
        routes=routes,
        rate=rate,
        share=used / took,
        envoy_share=spent / took,
        rounds=rounds,
        looks=looks / took,
        requests=sent / sending,
        memory_mib=memory,
        armed=at_end,
        reactions=late,
    )


def reactions(one: Rig, servers: Told, models: list[str]) -> list[float]:
    """Let candidates fail everything; seconds from the end of the convicting second to each rollback."""
    for model in models:
        servers.tell({"port": one.candidate[model], "fault": "fail", "at": time.time()})
    until = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < until and any(one.router.read(model).attempt for model in models):
        time.sleep(0.5)
    time.sleep(2.0)  # the journal is written after the rollback
    found = []
    for model in models:
        stone = one.router.tombstone(model, one.attempt(model))
        looks = one.state.looks(one.attempt(model)).read_text().splitlines()
        if stone and looks and (last := json.loads(looks[-1]))["verdict"] == "breach":
            found.append(stone.at_seconds - (last["at"] + 1))
    return found


def armed(one: Rig) -> int:
    """Attempts that the router may send to."""
    return sum(standing["armed"] for standing in one.standings().values())


def judged(one: Rig) -> int:
    """Looks judged so far, over all attempts."""
    return sum(standing.get("looks", 0) for standing in one.standings().values())


def memory_mib(pid: int) -> float:
    """Resident memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


def rounds_in(log: str) -> list[float]:
    """Lengths of rounds, from what the sentinel says of itself each minute."""
    return [float(found) for found in re.findall(r"rounds of the last minute: longest ([0-9.]+) s", log)]


def page(costs: list[Cost], seconds: float) -> str:
    """Write everything as Markdown."""
    columns = (
        "routes",
        "requests a second, all routes",
        "sentinel, share of a core",
        "longest round",
        "looks a second",
        "armed at the end",
        "memory",
        "end of the convicting second to rollback: median (longest)",
        "Envoy, share of a core",
    )
    said = f"""Made by `python bench/sentinel_cost.py`: over {seconds:g} s, live attempts at weight
    {WEIGHT:.0%} (the {DEAD} that fail at the end: {WEIGHT_OF_DEAD:.0%}), three signals guarded, one look a
    second and route; Envoy checks each candidate with the sentinel twice a second (counted in). Real Envoy,
    servers and clients on the same {os.cpu_count()} cores ({platform.machine()}); load average at the end
    {os.getloadavg()[1]:.1f}. Beyond {FOLLOWED} routes Envoy holds the routes in its listeners instead of
    following a file each: a followed route costs it an inotify instance, of which kernels allow a user 128
    unless told otherwise."""
    table = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *(_row(cost) for cost in costs)]
    paragraph = textwrap.fill(" ".join(said.split()), 110)
    return "\n".join(["# What the sentinel costs", "", paragraph, "", *table]) + "\n"


def _row(cost: Cost) -> str:
    late = sorted(cost.reactions)
    told = f"{statistics.median(late):.2f} s ({late[-1]:.2f} s), {len(late)} runs" if late else "-"
    longest = f"{max(cost.rounds):.2f} s" if cost.rounds else "-"
    return (
        f"| {cost.routes:,} | {cost.requests:.0f} | {cost.share:.1%} | {longest} | {cost.looks:.0f} "
        f"| {cost.armed:,} | {cost.memory_mib:.0f} MiB | {told} | {cost.envoy_share:.0%} |"
    )


def main() -> None:
    """Measure, print, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--routes", type=int, help="only this many, at --rate; writes nothing")
    parser.add_argument("--rate", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    chosen = parser.parse_args()
    figures = ((chosen.routes, chosen.rate),) if chosen.routes else FIGURES
    text = page([measure(routes, rate, chosen.seconds) for routes, rate in figures], chosen.seconds)
    print(text)
    if not chosen.routes:
        RESULTS.write_text(text)


if __name__ == "__main__":
    main()
