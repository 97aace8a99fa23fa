"""Triton against MLServer: what each carries of the same XGBoost model within the same latency bound.

    python bench/triton.py -o bench/results/triton.md

All servers are up at once and loaded one after the other, in one run. Load is open loop (Poisson arrivals
that wait for nobody; latency counts from the moment a request was due). For each server the highest rate is
searched at which 99 % of the requests are answered within the bound and none fails: doubled while it holds,
then halved in between. MLServer serves the booster as in the lab (in its own process, no adaptive
batching); Triton serves the ONNX model that Turnout packages, in three settings.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from runtimes import Endpoint, conversion, wire
from runtimes.triton import config, repository, server
from runtimes.triton.batching import AT_ONCE, Batching
from turnout.domain.contract import Contract
from turnout.fabric import contracts, environments, ports
from turnout.fabric.processes import Processes
from turnout.fabric.state import State
from turnout.fabric.tether import tethered
from turnout.lab import estate, exchange, legacy_servers, models

MODEL = "cancer"
BOUND_SECONDS = 0.05
WINDOW_SECONDS = 2.5
FIRST_RATE = 200.0
BISECTIONS = 3
ROUNDS = 2
KEPT = 256
LEAST_ANSWERED = 0.99
SETTINGS = {
    "Triton, no dynamic batching": None,
    "Triton, dynamic batching": AT_ONCE,
    "Triton, dynamic batching, 2 ms queue delay": Batching(
        queue_delay_microseconds=2000, preferred_batch_sizes=(32,)
    ),
}
LEGACY = "MLServer"


@dataclass
class Served:
    """One server and the highest rates that it carried, a round each."""

    port: int
    path: str
    carried: list[float] = field(default_factory=list)
    slow: list[float] = field(default_factory=list)


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 16])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="turnout-") as directory, _up(State(Path(directory))) as up:
        state, contract, served = up
        tables: list[str] = []
        for rows in asked.rows:
            tables.append(_table(rows, _measured(rows, state, contract, served)))
            if asked.output:
                asked.output.write_text(_page(tables))
    print(_page(tables))


@contextmanager
def _up(state: State) -> Iterator[tuple[State, Contract, dict[str, tuple[int, str]]]]:
    """All servers, and where each is called."""
    estate.lay_out(state)
    (model,) = [one for one in estate.MODELS if one.name == MODEL]
    models.train(model, state)
    contract = contracts.load(state.estate / "contracts", MODEL)
    taken: dict[str, int] = {}
    for name in model.ports:
        taken[name] = ports.pick(set(taken.values()))
    served = {LEGACY: (taken[model.port], model.path)}
    with tethered(state):
        servers = Processes(state)
        for spec in legacy_servers.specs(model, state, taken):
            servers.ensure(spec, ready_within_seconds=120)
        for number, (name, batching) in enumerate(SETTINGS.items()):
            served[name] = (_triton(state, servers, contract, number, batching), wire.predict_path(contract))
        yield state, contract, served


def _triton(
    state: State, servers: Processes, contract: Contract, number: int, batching: Batching | None
) -> int:
    """One Triton on the model as Turnout packages it; returns its port."""
    directory = state.work / f"package-{number}"
    directory.mkdir(parents=True)
    converted = conversion.convert(
        environment=environments.ensure("convert"),
        framework="xgboost",
        source=state.model_files(MODEL) / "model.json",
        contract=contract,
        examples=[],
        directory=directory / "converted",
    )
    repository.write_onnx(converted.model_file, contract, directory, batching or AT_ONCE)
    if batching is None:
        one = config.model_config(config.of(contract))
        one.ClearField("dynamic_batching")
        (directory / "repository" / MODEL / "config.pbtxt").write_text(config.render(one))
    listen = server.free_ports()
    spec = server.spec(
        name=f"triton-{number}", attempt=f"bench-{number}", model=MODEL, repository=directory / "repository",
        listen=listen, installed=server.installation(environments.ensure("triton")), state_root=state.root,
    )  # fmt: skip
    servers.ensure(spec, ready_within_seconds=120)
    return listen.http


def _measured(
    rows: int, state: State, contract: Contract, where: dict[str, tuple[int, str]]
) -> dict[str, Served]:
    """Search each server's highest rate, the servers in another order each round."""
    payloads = json.loads(state.payloads(MODEL).read_text())["rows"]
    body = exchange.request(contract, (payloads * rows)[:rows])
    found = {name: Served(port, path) for name, (port, path) in where.items()}
    for name, one in found.items():
        reply = wire.predict(Endpoint(host="127.0.0.1", port=one.port), contract, body, timeout_seconds=10)
        assert exchange.fault(contract, rows, reply.status, reply.body) is None, (name, reply.body)  # noqa: S101
    for _ in range(ROUNDS):
        for name in random.sample(sorted(found), len(found)):
            rate, slow = _search(found[name], body, state.root / "request")
            found[name].carried.append(rate)
            found[name].slow.append(slow)
            print(f"{rows} rows, {name}: {rate:.0f} requests/s", file=sys.stderr)
    return found


def _search(one: Served, body: bytes, file: Path) -> tuple[float, float]:
    """The highest rate that holds, and its 99th percentile."""
    head = (
        f"POST {one.path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    file.write_bytes(head.encode() + body)
    low, slow, high = 0.0, float("nan"), FIRST_RATE
    while (found := _holds(high, one.port, file)) is not None:
        low, slow, high = high, found, high * 2
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if (found := _holds(middle, one.port, file)) is None:
            high = middle
        else:
            low, slow = middle, found
    return low, slow


def _holds(rate: float, port: int, file: Path) -> float | None:
    """The 99th percentile at a rate that holds, else None; one bad window is tried again."""
    return _window(rate, port, file) or _window(rate, port, file)


def _window(rate: float, port: int, file: Path) -> float | None:
    """The 99th percentile of one window where it is within the bound and nothing fails, else None."""
    command = [sys.executable, str(Path(__file__).parent / "open_loop.py"), str(rate), str(port)]
    client = subprocess.Popen(
        [*command, "--request", str(file), "--kept", str(KEPT), "--longest", "1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert client.stdout and client.stdin  # noqa: S101, PT018 -- pipes were asked for
    client.stdout.readline()
    time.sleep(WINDOW_SECONDS)
    told = json.loads(client.communicate()[0].splitlines()[-1])
    failed = told["unanswered"] + sum(len(one) for one in told["failures"].values())
    behind = told["sent"] < 0.8 * rate * WINDOW_SECONDS  # the client itself could not keep up
    slow = float(np.quantile(told["latencies"], LEAST_ANSWERED)) if told["latencies"] else float("inf")
    return None if failed or behind or slow > BOUND_SECONDS else slow


def _table(rows: int, found: dict[str, Served]) -> str:
    legacy = statistics.median(found[LEGACY].carried)
    lines = [
        f"**{rows} row{'s' if rows > 1 else ''} a request**",
        "",
        "| server | requests/s within the bound (each round) | 99 % within | of MLServer's |",
        "|---|---|---|---|",
    ]
    for name, one in found.items():
        each = ", ".join(f"{rate:.0f}" for rate in sorted(one.carried))
        ratio = statistics.median(one.carried) / legacy if legacy else float("nan")
        slow = max(one.slow) * 1000
        lines.append(
            f"| {name} | {statistics.median(one.carried):.0f} ({each}) | {slow:.0f} ms | {ratio:.1f} |"
        )
    return "\n".join(lines)


def _page(tables: list[str]) -> str:
    told = (
        f"The highest rate at which {LEAST_ANSWERED:.0%} of the requests are answered within "
        f"{BOUND_SECONDS * 1000:.0f} ms and none fails: open loop, {WINDOW_SECONDS:.0f} s a rate, "
        f"{ROUNDS} rounds, servers and client on the same two cores. The model: `cancer`, an XGBoost booster "
        "of 60 trees over 30 features, V2 over HTTP; MLServer serves the booster, Triton the ONNX model that "
        "Turnout packages."
    )
    mind = (
        "Mind: this Triton has the lab's onnxruntime backend, which is Python; on a cluster the native one "
        "serves the same files, without what Python costs here. The client takes part of both cores too."
    )
    return (
        "\n\n".join(("# Triton against MLServer", told, *tables, mind, "Made by `python bench/triton.py`."))
        + "\n"
    )


if __name__ == "__main__":
    main()
