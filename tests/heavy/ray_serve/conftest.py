"""The models of the full portfolio that go to Ray Serve, on their legacy servers, beside a real Ray."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runtimes.ray_serve import RayServe
from tasks.discover import discover_estate
from tasks.package import package_model
from tasks.plan import plan_estate
from turnout.domain.evidence import Evidence
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
from turnout.settings import Settings
from turnout.wiring import migrating
from turnout.wiring.migrating import Wiring

SERVED = ("sentences", "severity")
GOLDEN = 60
"""Requests in a golden set here."""


@pytest.fixture(scope="package")
def state() -> Iterator[State]:
    """A state directory with a short name, with these models' part of the estate in it."""
    with tempfile.TemporaryDirectory(prefix="turnout-") as directory:
        state = State(Path(directory))
        estate.lay_out(state, estate.Portfolio.FULL)
        for file in (state.estate / "manifests").iterdir():
            if file.stem not in SERVED:
                file.unlink()
        yield state


@pytest.fixture(scope="package")
def chosen() -> dict[str, int]:
    """A lab's ports."""
    found: dict[str, int] = {}
    for name in NAMES:
        found[name] = ports.pick(set(found.values()))
    return found


@pytest.fixture(scope="package")
def servers(state: State) -> Iterator[Processes]:
    """Where servers run; all of them end with the tests."""
    with tethered(state):
        yield Processes(state)


@pytest.fixture(scope="package")
def runtime(state: State, servers: Processes, chosen: dict[str, int]) -> Iterator[RayServe]:
    """The runtime on a Ray of the lab's making."""
    try:
        servers.ensure(ray_head.spec(state, chosen), ready_within_seconds=180)
        ray_head.start_serve(servers, chosen, within_seconds=180)
        dashboard = f"http://127.0.0.1:{chosen['ray-dashboard']}"
        yield RayServe(state, dashboard=dashboard, proxy=f"http://127.0.0.1:{chosen['ray-serve']}")
    finally:
        servers.stop(ray_head.NAME)
        ray_head.clear(state)


@pytest.fixture(scope="package")
def legacy(state: State, servers: Processes, chosen: dict[str, int]) -> dict[str, str]:
    """The legacy models, made and served; their addresses."""
    for model in estate.laid_out(state):
        environments.ensure(model.environment)
        models.train(model, state)
        for spec in legacy_servers.specs(model, state, chosen):
            servers.ensure(spec, ready_within_seconds=180)
    return {model.name: f"127.0.0.1:{chosen[model.port]}" for model in estate.laid_out(state)}


@pytest.fixture(scope="package")
def wiring(
    state: State, servers: Processes, legacy: dict[str, str], chosen: dict[str, int], runtime: RayServe
) -> Iterator[Wiring]:
    """The adapters, real where a model is opened or served."""
    settings = Settings(
        state=state.root,
        manifests=state.estate / "manifests",
        contracts=state.estate / "contracts",
        pools=state.estate / "pools.yaml",
        owners=state.estate / "owners.yaml",
        legacy=legacy,
    )
    registry, router = MemoryPackages(state.root / "registry", volume=state.volume), MemoryRouter()
    given = {"packages": registry, "router": router, "servers": servers, "ray_serve": runtime}
    built = Wiring(settings, evidence=MemoryEvidence(), **given)
    for number, model in enumerate(legacy):
        stable = Backend(name=f"{model}-legacy", port=chosen[f"legacy-{model}"])
        router.register(Registration(model=model, listen_port=40_000 + number, stable=stable))
    migrating.use(built)
    discover_estate.fn()
    plan_estate.fn()
    yield built
    migrating.use(None)


@pytest.fixture(scope="package")
def rows(state: State) -> Callable[[str], list[Any]]:
    """The rows that a model's clients send."""
    return lambda model: json.loads(state.payloads(model).read_text())["rows"]


@pytest.fixture(scope="package")
def packaged(wiring: Wiring, rows: Callable[[str], list[Any]]) -> Callable[[str], Evidence]:
    """Packages a model, the first time that it is asked for, on a golden set of its real legacy server."""
    made: dict[str, Evidence] = {}

    def once(model: str) -> Evidence:
        if model not in made:
            _keep_golden(wiring, model, rows(model)[:GOLDEN])
            made[model] = package_model.fn(model, wiring.attempts.new(model).id)
        return made[model]

    return once


def _keep_golden(wiring: Wiring, model: str, asked: list[Any]) -> None:
    file = wiring.state.work / "golden" / f"{model}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(_captured(wiring, model, row)) + "\n" for row in asked))


def _captured(wiring: Wiring, model: str, row: Any) -> dict[str, Any]:
    body = exchange.request(wiring.contract(model), [row])
    reply = wiring.legacy.predict(wiring.contract(model), body)
    assert reply.status == 200, reply.body
    answered = {"response": reply.body.decode(), "status": reply.status}
    return {"at": time.time(), "model": model, "arm": "legacy", "request": body.decode(), **answered}
