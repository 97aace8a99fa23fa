"""The language model on its legacy server, discovered, planned and packaged; vLLM to deploy it on."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tasks.discover import discover_estate
from tasks.package import package_model
from tasks.plan import plan_estate
from turnout.domain import sampling
from turnout.domain.evidence import Evidence
from turnout.domain.route import Backend, Registration
from turnout.fabric import ports
from turnout.fabric.processes import Processes
from turnout.fabric.registry.evidence import MemoryEvidence
from turnout.fabric.registry.packages import MemoryPackages
from turnout.fabric.router.memory import MemoryRouter
from turnout.fabric.state import State
from turnout.fabric.tether import tethered
from turnout.lab import chats, estate, legacy_servers, models
from turnout.settings import Settings
from turnout.wiring import migrating
from turnout.wiring.migrating import Wiring

MODEL = "smollm"
GOLDEN = 6
"""Requests in the golden set here: legacy takes a second or more for each."""

Ask = Callable[..., bytes]


@pytest.fixture(scope="package")
def state() -> Iterator[State]:
    """A state directory with this model's part of the estate in it."""
    with tempfile.TemporaryDirectory(prefix="turnout-") as directory:
        state = State(Path(directory))
        estate.lay_out(state, estate.Portfolio.FULL)
        for file in (state.estate / "manifests").iterdir():
            if file.stem != MODEL:
                file.unlink()
        yield state


@pytest.fixture(scope="package")
def servers(state: State) -> Iterator[Processes]:
    """Where servers run; all of them end with the tests."""
    with tethered(state):
        yield Processes(state)


@pytest.fixture(scope="package")
def legacy(state: State, servers: Processes) -> int:
    """The legacy server's port."""
    (model,) = estate.laid_out(state)
    models.train(model, state)
    port = ports.pick()
    for spec in legacy_servers.specs(model, state, {model.port: port}):
        servers.ensure(spec, ready_within_seconds=300)
    return port


@pytest.fixture(scope="package")
def wiring(state: State, servers: Processes, legacy: int) -> Iterator[Wiring]:
    """The adapters, real where a model is opened or served."""
    settings = Settings(
        state=state.root,
        manifests=state.estate / "manifests",
        contracts=state.estate / "contracts",
        pools=state.estate / "pools.yaml",
        owners=state.estate / "owners.yaml",
        legacy={MODEL: f"127.0.0.1:{legacy}"},
    )
    registry, router = MemoryPackages(state.root / "registry", volume=state.volume), MemoryRouter()
    built = Wiring(settings, evidence=MemoryEvidence(), packages=registry, router=router, servers=servers)
    stable = Backend(name=f"{MODEL}-legacy", port=legacy)
    router.register(Registration(model=MODEL, listen_port=40_000, stable=stable))
    migrating.use(built)
    discover_estate.fn()
    plan_estate.fn()
    yield built
    migrating.use(None)


@pytest.fixture(autouse=True)
def _in_force(wiring: Wiring) -> None:
    """Tasks find this wiring."""
    migrating.use(wiring)


@pytest.fixture(scope="package")
def packaged(wiring: Wiring, legacy: int) -> Evidence:
    """Evidence of the package, made with a golden set of the real legacy server."""
    file = wiring.state.work / "golden" / f"{MODEL}.jsonl"
    file.parent.mkdir(parents=True)
    lines = []
    for row in chats.rows()[:GOLDEN]:
        body = chats.request(wiring.contract(MODEL), [row])
        answer = asked(legacy, body).decode()
        lines.append(
            {"at": time.time(), "model": MODEL, "arm": "legacy", "request": body.decode(), "response": answer}
        )
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return package_model.fn(MODEL, wiring.attempts.new(MODEL).id)


def asked(port: int, body: bytes) -> bytes:
    """Send a chat to a server by the path that clients call, and return its answer's body."""
    url = f"http://127.0.0.1:{port}/openai/v1/chat/completions"
    answer = httpx.post(
        url, content=body, headers={"content-type": "application/json"}, timeout=120, trust_env=False
    )
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.fixture(scope="package")
def ask() -> Ask:
    """Asks a server."""
    return asked


@pytest.fixture(scope="package")
def pinned(wiring: Wiring) -> Callable[[dict[str, Any]], bytes]:
    """A row's request as a replay sends it."""

    def make(row: dict[str, Any]) -> bytes:
        contract = wiring.contract(MODEL)
        request = sampling.pinned(contract, chats.request(contract, [row]))
        assert request is not None
        return request

    return make
