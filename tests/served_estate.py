"""Models of the lab's estate on their real legacy servers, discovered, planned, and packaged when asked.

Fixtures of every level that moves such models: a conftest imports those that it uses and says with
`served` and `golden_requests` which models, and how many requests a golden set holds.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.discover import discover_estate
from tasks.package import package_model
from tasks.plan import plan_estate
from turnout.domain.evidence import Evidence, Verdict
from turnout.domain.route import Backend, Registration
from turnout.fabric import environments, ports
from turnout.fabric.processes import Processes
from turnout.fabric.registry.evidence import MemoryEvidence
from turnout.fabric.registry.packages import MemoryPackages
from turnout.fabric.router.memory import MemoryRouter
from turnout.fabric.state import State
from turnout.fabric.tether import tethered
from turnout.lab import estate, exchange, legacy_servers, models, ray_head
from turnout.lab.lab_ports import NAMES
from turnout.lab.up import settings_of
from turnout.wiring import migrating
from turnout.wiring.migrating import Wiring

READY_WITHIN_SECONDS = 300.0
"""The largest of them takes a minute on idle cores."""


@pytest.fixture(scope="package")
def state(served: tuple[str, ...]) -> Iterator[State]:
    """A state directory with these models' part of the estate; its name is short: Ray puts sockets below."""
    with tempfile.TemporaryDirectory(prefix="turnout-") as directory:
        state = State(Path(directory))
        estate.lay_out(state, estate.Portfolio.FULL)
        for file in (state.estate / "manifests").iterdir():
            if file.stem not in served:
                file.unlink()
        yield state


@pytest.fixture(scope="package")
def chosen_ports() -> dict[str, int]:
    """A lab's ports."""
    chosen: dict[str, int] = {}
    for name in NAMES:
        chosen[name] = ports.pick(set(chosen.values()))
    return chosen


@pytest.fixture(scope="package")
def servers(state: State) -> Iterator[Processes]:
    """Where servers run; all of them end with the tests."""
    with tethered(state):
        yield Processes(state)


@pytest.fixture(scope="package")
def legacy(state: State, servers: Processes, chosen_ports: dict[str, int]) -> dict[str, str]:
    """The legacy models, made and served; their addresses."""
    for model in estate.laid_out(state):
        for environment in (model.environment, *model.needs):
            environments.ensure(environment)
        models.train(model, state)
        for spec in legacy_servers.specs(model, state, chosen_ports):
            servers.ensure(spec, ready_within_seconds=READY_WITHIN_SECONDS)
    return {model.name: f"127.0.0.1:{chosen_ports[model.port]}" for model in estate.laid_out(state)}


@pytest.fixture(scope="package")
def ray(state: State, servers: Processes, chosen_ports: dict[str, int]) -> Iterator[None]:
    """The lab's Ray with Serve on it."""
    try:
        servers.ensure(ray_head.spec(state, chosen_ports), ready_within_seconds=180)
        ray_head.start_serve(servers, chosen_ports, within_seconds=180)
        yield
    finally:
        servers.stop(ray_head.NAME)
        ray_head.clear(state)


@pytest.fixture(scope="package")
def wiring(
    state: State, servers: Processes, legacy: dict[str, str], chosen_ports: dict[str, int]
) -> Iterator[Wiring]:
    """The adapters, real where a model is opened, converted or served; discovered and planned."""
    settings = settings_of(state, chosen_ports)
    registry, router = MemoryPackages(state.root / "registry", volume=state.volume), MemoryRouter()
    built = Wiring(settings, evidence=MemoryEvidence(), packages=registry, router=router, servers=servers)
    for number, model in enumerate(legacy):
        stable = Backend(name=f"{model}-legacy", port=int(legacy[model].rpartition(":")[2]))
        router.register(Registration(model=model, listen_port=40_000 + number, stable=stable))
    migrating.use(built)
    discover_estate.fn()
    plan_estate.fn()
    yield built
    built.validator.close()
    migrating.use(None)


@pytest.fixture(autouse=True)
def _in_force(wiring: Wiring) -> None:
    """Tasks find this wiring, also after another package's test had its own in force in between."""
    migrating.use(wiring)


@pytest.fixture(scope="package")
def rows(state: State) -> Callable[[str], list[Any]]:
    """The rows that a model's clients send."""
    return lambda model: json.loads(state.payloads(model).read_text())["rows"]


@pytest.fixture(scope="package")
def asked(wiring: Wiring, state: State) -> Callable[[str, Any], bytes]:
    """The request that a model's clients make of a row."""

    def make(model: str, row: Any) -> bytes:
        kind = json.loads(state.payloads(model).read_text()).get("kind", exchange.TENSORS)
        return exchange.WAYS[kind].request(wiring.contract(model), [row])

    return make


@pytest.fixture(scope="package")
def golden(
    wiring: Wiring,
    rows: Callable[[str], list[Any]],
    asked: Callable[[str, Any], bytes],
    golden_requests: int,
) -> Callable[[str], list[dict[str, Any]]]:
    """Keeps a model's golden set, asked of its real legacy server, and returns its lines."""

    def keep(model: str) -> list[dict[str, Any]]:
        kept = [_captured(wiring, model, asked(model, row)) for row in rows(model)[:golden_requests]]
        file = wiring.state.work / "golden" / f"{model}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(json.dumps(line) + "\n" for line in kept))
        return kept

    return keep


@pytest.fixture(scope="package")
def packaged_once(wiring: Wiring, golden: Callable[[str], list[dict[str, Any]]]) -> Callable[[str], Evidence]:
    """Packages a model the first time it is asked for; its passing evidence."""
    made: dict[str, Evidence] = {}

    def once(model: str) -> Evidence:
        if model not in made:
            migrating.use(wiring)  # fixtures of a package come before `_in_force` of its first test
            golden(model)
            made[model] = package_model.fn(model, wiring.attempts.new(model).id)
        assert made[model].verdict is Verdict.PASS, made[model].reasons
        return made[model]

    return once


def _captured(wiring: Wiring, model: str, body: bytes) -> dict[str, Any]:
    reply = wiring.legacy.predict(wiring.contract(model), body)
    assert reply.status == 200, reply.body
    answered = {"response": reply.body.decode(), "status": reply.status}
    return {"at": time.time(), "model": model, "arm": "legacy", "request": body.decode(), **answered}
