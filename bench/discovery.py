"""Seconds and memory of discovery and plan over 100, 1,000 and 10,000 InferenceServices.

One command starts a real etcd and API server with KServe's own definitions, fills it, and measures the
commands that a user types, each in a process of its own; then the same estate from a folder of manifests:

    python bench/discovery.py                  # writes bench/results/discovery.md and discovery.svg
    python bench/discovery.py KUBECONFIG       # in an API server that is there, and has KServe's definitions

`plan` reads the estate itself, so its time is that of inventory and plan together. Objects carry the status
that KServe writes and what `kubectl apply` leaves, so that they are as large as in a cluster.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from turnout.fabric.kubernetes.apply import Applier
from turnout.lab.cluster.up import running

ROOT = Path(__file__).resolve().parent.parent
COUNTS = (100, 1_000, 10_000)
RUNS = 3
WRITERS = 8
A_FILE = 100
MOST_SECONDS, MOST_MIB = 60.0, 1024
COMMANDS = {"discover": "workloads", "plan": "lines"}
"""What is measured, and under what its output lists the InferenceServices."""
HEAD = """\
# Discovery and plan

`python bench/discovery.py` on {cores} cores, with the API server, etcd and whatever else ran on the same ones
(load average of the last 15 minutes: {load:.1f}). Medians of {runs} runs, each a command in a process of its
own; memory is the most of any run. `plan` reads the estate itself: its time is that of inventory and plan
together.

| from | command | InferenceServices | seconds | CPU seconds | MiB |
|---|---|---:|---:|---:|---:|"""
RESULTS = ROOT / "bench" / "results"
POOLS = """\
pools:
  - {name: cpu, cpu: 16, memory_gib: 64, nodes: 4000, price_per_hour_usd: 0.8}
  - name: l4
    cpu: 12
    memory_gib: 48
    nodes: 2000
    accelerator: nvidia-l4
    accelerators_per_node: 1
    price_per_hour_usd: 0.9
"""
SMALL = {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}
LARGE = {"resources": {"limits": {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1"}}}
FORMS = (
    lambda n: {"sklearn": SMALL | {"storageUri": f"s3://models/{n}"}},
    lambda n: {"xgboost": {"storageUri": f"s3://models/{n}", "protocolVersion": "v2"}},
    lambda n: {"model": {"modelFormat": {"name": "onnx"}, "storageUri": f"gs://models/{n}"}},
    lambda n: {
        "model": LARGE
        | {"modelFormat": {"name": "huggingface"}, "storageUri": f"hf://org/model-{n}-1B"}
        | {"args": ["--task=text_generation"]}
    },
    lambda n: {
        "containers": [
            {"name": "kserve-container", "image": f"registry.example/{n}"}
            | {"env": [{"name": "FEATURES", "value": "http://feast.features.svc:6566"}]}
        ]
    },
)
MEASURED = (
    "import resource, runpy, sys\n"
    "try:\n"
    "    runpy.run_module('turnout', run_name='__main__')\n"
    "finally:\n"
    "    used = resource.getrusage(resource.RUSAGE_SELF)\n"
    "    print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)\n"
)


@dataclass(frozen=True)
class Cost:
    """What one command took: wall clock and processor seconds, most memory."""

    seconds: float
    cpu_seconds: float
    memory_mib: float


def service(number: int) -> dict[str, Any]:
    """One InferenceService."""
    meta = {
        "name": f"model-{number}", "namespace": f"team-{number % 20}",
        "labels": {"app": f"model-{number}", "team": f"team-{number % 20}"},
        "annotations": {"turnout.dev/owner": f"owner-{number % 50}", "turnout.dev/criticality": "low"},
    }  # fmt: skip
    predictor = FORMS[number % len(FORMS)](number) | {"minReplicas": 1, "maxReplicas": 4}
    whole = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": meta,
             "spec": {"predictor": predictor}}  # fmt: skip
    applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(whole)}
    return whole | {
        "metadata": meta | {"annotations": meta["annotations"] | applied},
        "status": _status(number),
    }


def _status(number: int) -> dict[str, Any]:
    url = f"http://model-{number}.team-{number % 20}.example.com"
    ready = [
        {"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        for kind in ("IngressReady", "PredictorReady", "Ready", "Stopped")
    ]
    return {"url": url, "deploymentMode": "Standard", "conditions": ready, "observedGeneration": 1,
            "components": {"predictor": {"url": url}}}  # fmt: skip


def fill(kubeconfig: Path, numbers: range) -> None:
    """Make InferenceServices in the API server, with their status."""

    def write(part: range) -> None:
        with Applier(kubeconfig) as applier:
            for number in part:
                one = service(number)
                path = applier.path(one)
                made = applier.call("POST", path.rsplit("/", 1)[0], body=one, named=path)
                whole = made | {"status": one["status"]}
                applier.call("PUT", f"{path}/status", body=whole, named=path)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, (numbers[start::WRITERS] for start in range(WRITERS))))


def command(count: int, name: str, *arguments: str) -> Cost:
    """Run a command of Turnout in its own process, and see that it tells of so many InferenceServices."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, name, *arguments, "-o", "json"],
            env=environment, stdout=output, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        seconds = time.monotonic() - started
        if done.returncode != 0:
            raise SystemExit(done.stderr)
        output.seek(0)
        told = len(json.load(output)[COMMANDS[name]])
    if told != count:
        raise SystemExit(f"{name} tells of {told} InferenceServices, and there are {count}")
    cpu, kib = done.stderr.splitlines()[-1].split()
    return Cost(seconds, float(cpu), int(kib) / 1024)


def median(costs: list[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(
        statistics.median(one.seconds for one in costs),
        statistics.median(one.cpu_seconds for one in costs),
        max(one.memory_mib for one in costs),
    )


def measure(count: int, source: tuple[str, ...], pools: Path, contracts: Path) -> dict[str, Cost]:
    """Discovery, and discovery with plan, of one source."""
    rest = {"discover": (), "plan": ("--pools", str(pools), "--contracts", str(contracts))}
    return {
        name: median([command(count, name, *source, *rest[name]) for _ in range(RUNS)]) for name in COMMANDS
    }


@contextmanager
def api_server(work: Path) -> Iterator[Path]:
    """The kubeconfig of the API server that was named, or of one that lives as long as the block."""
    if len(sys.argv) > 1:
        yield Path(sys.argv[1]).resolve()
        return
    with running(work / "cluster", say=_say) as plane:
        yield plane.kubeconfig


def measured(work: Path) -> Iterator[tuple[str, int, str, Cost]]:
    """Where from, how many, which command, and what it took."""
    pools, contracts = work / "pools.yaml", work / "contracts"
    pools.write_text(POOLS)
    contracts.mkdir()
    with api_server(work) as kubeconfig:
        with Applier(kubeconfig) as applier:
            teams = ({"name": f"team-{number}"} for number in range(20))
            applier.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": team} for team in teams)
        made = 0
        for count in COUNTS:
            _say(f"{count} in the API server")
            fill(kubeconfig, range(made, count))
            made = count
            costs = measure(count, ("--kubeconfig", str(kubeconfig)), pools, contracts)
            yield from (("API server", count, name, cost) for name, cost in costs.items())
    for count in COUNTS:
        _say(f"{count} in a folder")
        costs = measure(
            count, ("--manifests", str(_folder(work / f"estate-{count}", count))), pools, contracts
        )
        yield from (("folder", count, name, cost) for name, cost in costs.items())


def _folder(folder: Path, count: int) -> Path:
    folder.mkdir()
    for start in range(0, count, A_FILE):
        items = [service(number) for number in range(start, min(start + A_FILE, count))]
        (folder / f"{start}.yaml").write_text(yaml.dump_all(items, Dumper=yaml.CSafeDumper))
    return folder


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def table(found: list[tuple[str, int, str, Cost]]) -> str:
    """Markdown of what was measured, and of growth from the second to the last count."""
    last = [cost for _, count, _, cost in found if count == COUNTS[-1]]
    slowest, largest = max(one.seconds for one in last), max(one.memory_mib for one in last)
    head = HEAD.format(cores=os.cpu_count(), load=os.getloadavg()[2], runs=RUNS)
    rows = [
        f"| {source} | {name} | {count:,} | {one.seconds:.1f} | {one.cpu_seconds:.1f}"
        f" | {one.memory_mib:.0f} |"
        for source, count, name, one in found
    ]
    bounds = (
        f"\nBounds at {COUNTS[-1]:,}: {MOST_SECONDS:g} s ({_held(slowest < MOST_SECONDS)}: {slowest:.1f}) and"
        f" {MOST_MIB} MiB ({_held(largest < MOST_MIB)}: {largest:.0f})."
    )
    growth = [_growth(source, name, found) for source in ("API server", "folder") for name in COMMANDS]
    return "\n".join([head, *rows, bounds, *growth, "\n![seconds and memory](discovery.svg)"])


def _held(is_held: bool) -> str:
    return "held" if is_held else "NOT held"


def _growth(source: str, name: str, found: list[tuple[str, int, str, Cost]]) -> str:
    """CPU seconds for each further thousand, early and late: equal where growth is linear."""
    cost = {count: one.cpu_seconds for where, count, which, one in found if (where, which) == (source, name)}
    early, late = (1_000 * (cost[high] - cost[low]) / (high - low) for low, high in pairwise(COUNTS))
    return (
        f"\nEach further thousand, {name} from the {source}: {early:.2f} CPU s up to {COUNTS[1]:,},"
        f" {late:.2f} CPU s up to {COUNTS[2]:,}."
    )


def plot(found: list[tuple[str, int, str, Cost]], file: Path) -> None:
    """Seconds and memory over the number of InferenceServices, both axes in decades."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    for source in ("API server", "folder"):
        for name, line in (("discover", "--"), ("plan", "-")):
            costs = [(count, cost) for where, count, which, cost in found if (where, which) == (source, name)]
            counts = [count for count, _ in costs]
            left.loglog(
                counts, [cost.seconds for _, cost in costs], line, marker="o", label=f"{name}, {source}"
            )
            right.loglog(counts, [cost.memory_mib for _, cost in costs], line, marker="o")
    left.axhline(MOST_SECONDS, color="grey", linewidth=0.8)
    right.axhline(MOST_MIB, color="grey", linewidth=0.8)
    left.set(xlabel="InferenceServices", ylabel="seconds")
    right.set(xlabel="InferenceServices", ylabel="MiB")
    left.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})


def main() -> None:
    """Measure, and write the table and the plot."""
    with tempfile.TemporaryDirectory() as work:
        found = list(measured(Path(work)))
    (RESULTS / "discovery.md").write_text(table(found) + "\n")
    plot(found, RESULTS / "discovery.svg")
    print(table(found))


if __name__ == "__main__":
    main()
