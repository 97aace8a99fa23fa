"""A real Envoy, real sentinel and shadow processes, tiny models and clients that record every request."""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import httpx
import pytest
import yaml

from tests.waiting import until
from turnout.domain.route import Backend, Opening, Registration, RouteChange, RoutePolicy
from turnout.fabric import contracts, ports
from turnout.fabric.environments import ensure
from turnout.fabric.router import envoy
from turnout.fabric.router.envoy import EnvoyRouter
from turnout.fabric.state import State
from turnout.settings import VARIABLE, Settings

sys.path.insert(0, str(Path(__file__).parent))  # `tiny_models` lies beside; tests are not a package
from tiny_models import Model

ROOT = Path(__file__).parents[3]
POLICY = RoutePolicy(try_seconds=0.5, request_seconds=5.0)
_NUMBERS = itertools.count(1)

CONTRACT = {
    "wire": "v1",
    "inputs": [],
    "outputs": [],
    "same_answer": {"kind": "regression", "absolute_tolerance": 1e-6},
    "bounds": {"errors": 0.02, "slow": 0.2, "differs": 0.05, "slow_seconds": 0.5},
    "rollout": {"shadow_samples": 60, "shadow_longest_seconds": 40, "capture_share": 1.0},
    "policy": POLICY.model_dump(),
}


class Clients:
    """Clients of one model: open loop, a fixed rate, every request recorded.

    Attributes:
        answers: Moment of sending, row sent, and what came back; None where it failed.
    """

    def __init__(self, port, name, *, rate=40.0):
        """Start to send."""
        self.url = f"http://127.0.0.1:{port}/v1/models/{name}:predict"
        self.answers: list[tuple[float, list[float], float | None]] = []
        self._rate = rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()

    @property
    def failures(self):
        """Requests without a good answer."""
        return [one for one in self.answers if one[2] is None]

    def stop(self):
        """Send no more, and wait for what is outstanding."""
        self._stop.set()
        self._thread.join(20)

    async def _run(self):
        async with aiohttp.ClientSession() as session:
            running = set()
            began = time.monotonic()
            for n in itertools.count():
                await asyncio.sleep(max(0.0, began + n / self._rate - time.monotonic()))
                if self._stop.is_set():
                    break
                running.add(task := asyncio.create_task(self._one(session, float(n))))
                task.add_done_callback(running.discard)
            await asyncio.gather(*running)

    async def _one(self, session, number):
        sent, row, answer = time.time(), [number, 1.0], None
        try:
            async with session.post(self.url, json={"instances": [row]}) as response:
                if response.status == 200:
                    answer = (await response.json())["predictions"][0]
        except (aiohttp.ClientError, TimeoutError):
            pass
        self.answers.append((sent, row, answer))


@dataclass
class Lab:
    """Envoy, and what runs beside it for all tests of this folder."""

    state: State
    settings: Settings
    settings_file: Path
    admin_port: int
    sentinel_port: int
    processes: list[subprocess.Popen] = field(default_factory=list)
    guarding: subprocess.Popen | None = None

    @property
    def router(self):
        """The router."""
        return EnvoyRouter(self.state, admin_url=self.settings.envoy_admin)

    def service(self, name, port):
        """Start the sentinel or the shadow service."""
        command = [sys.executable, "-m", f"turnout.services.{name}", "--port", str(port)]
        log = self.state.root / f"{name}-{next(_NUMBERS)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, VARIABLE: str(self.settings_file)},
                stdout=out,
                stderr=out,
            )
        self.processes.append(process)
        return process

    def sentinel(self):
        """The sentinel, started if none is alive; one serves all tests until a test ends it."""
        if self.guarding is None or self.guarding.poll() is not None:
            self.guarding = self.service("sentinel", self.sentinel_port)
            until(lambda: said(f"{self.settings.sentinel}/healthz") is not None, "the sentinel answers")
        return self.guarding

    def no_sentinel(self):
        """See that none is alive."""
        if self.guarding is not None:
            end(self.guarding)

    def standing(self, attempt):
        """What the sentinel says of an attempt."""
        return said(f"{self.settings.sentinel}/attempts/{attempt}") or {}


@dataclass
class Migration:
    """One model in the middle of its migration, its clients sending."""

    lab: Lab
    name: str
    legacy: Model
    candidate: Model
    clients: Clients

    @property
    def attempt(self):
        """The attempt."""
        return f"{self.name}-1"

    @property
    def route(self):
        """The route now."""
        return self.lab.router.read(self.name)

    def change(self, **changes):
        """Change the route."""
        read = self.route
        self.lab.router.change(
            RouteChange(model=self.name, attempt=read.attempt, read_version=read.version, **changes)
        )

    def armed(self):
        """Whether the sentinel arms the candidate."""
        return self.lab.standing(self.attempt).get("armed", False)


def answers(url):
    """Whether something answers well at a URL."""
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


def said(url):
    """The JSON at a URL, or None where nothing answers."""
    try:
        answer = httpx.get(url, timeout=2)
    except httpx.HTTPError:
        return None
    return answer.json() if answer.is_success else None


def end(process):
    """End a process of ours, whatever state it is in."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


@pytest.fixture(scope="package")
def running(tmp_path_factory):
    """One Envoy and one shadow service for all tests here; each test has a model of its own."""
    root = tmp_path_factory.mktemp("services")
    state = State(root)
    admin, sentinel, shadow = ports.pick(), ports.pick(), ports.pick()
    found = Settings(
        state=root,
        manifests=root / "manifests",
        contracts=root / "contracts",
        pools=root / "pools.yaml",
        owners=root / "owners.yaml",
        envoy_admin=f"http://127.0.0.1:{admin}",
        sentinel=f"http://127.0.0.1:{sentinel}",
        shadow_port=shadow,
        guard_lease_seconds=3.0,
    )
    found.contracts.mkdir()
    file = root / "turnout.yaml"
    found.write(file)
    envoy.prepare(state, admin_port=admin, sentinel_port=sentinel, capture_port=shadow)
    spec = envoy.server(state, admin_port=admin)
    lab = Lab(state, found, file, admin, sentinel)
    program = ensure(spec.environment) / "bin" / spec.command[0]
    lab.processes.append(subprocess.Popen([str(program), *spec.command[1:]]))
    try:
        lab.service("shadow", shadow)
        until(lambda: not ports.is_free(shadow), "the shadow service listens")
        until(lambda: answers(spec.ready_url), "Envoy is ready")
        yield lab
    finally:
        for process in reversed(lab.processes):
            end(process)


@pytest.fixture
def lab(running):
    """The running lab."""
    yield running
    if running.guarding is not None and running.guarding.poll() is None:
        running.guarding.send_signal(signal.SIGCONT)


@pytest.fixture
def migration(lab):
    """A model with a live attempt at weight 0, clients sending, no sentinel yet."""
    name = f"sum{next(_NUMBERS)}-{os.getpid()}"
    legacy, candidate = Model(), Model()
    contract = {"model": name, **CONTRACT}
    (lab.settings.contracts / f"{name}.yaml").write_text(yaml.safe_dump(contract))
    contracts.load(lab.settings.contracts, name)
    stable = Backend(name=f"legacy-{name}", port=legacy.port)
    listen = ports.pick()
    lab.router.register(Registration(model=name, listen_port=listen, stable=stable, policy=POLICY))
    backend = Backend(name=f"{name}-1", port=candidate.port)
    lab.router.open(Opening(model=name, attempt=f"{name}-1", candidate=backend, policy=POLICY))
    clients = Clients(listen, name)
    yield Migration(lab, name, legacy, candidate, clients)
    clients.stop()
    lab.router.roll_back(name, f"{name}-1", reason="the test is over", by="test")
    legacy.close()
    candidate.close()
