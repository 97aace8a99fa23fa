import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from tests.contract.router.tiny_servers import Backend, Word
from turnout.domain.route import Backend as Address
from turnout.domain.route import Opening, Registration, RoutePolicy
from turnout.fabric.environments import ensure
from turnout.fabric.router import envoy, hot_restart
from turnout.fabric.router.envoy import EnvoyRouter
from turnout.fabric.router.memory import MemoryRouter
from turnout.fabric.state import State
from turnout.settings import Settings

_NUMBERS = itertools.count(1)


def free_port() -> int:
    """A TCP port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Proxy:
    """A running Envoy, and what it needs around it."""

    state: State
    admin_port: int
    word: Word
    process: subprocess.Popen[bytes] | None = None
    log: list[str] = field(default_factory=list)

    @property
    def router(self) -> EnvoyRouter:
        """A router on its files; each caller gets one of its own, as each process does."""
        return EnvoyRouter(self.state, admin_url=f"http://127.0.0.1:{self.admin_port}")

    def start(self) -> None:
        """Start it as its spec says, and wait until it is ready."""
        spec = envoy.server(self.state, admin_port=self.admin_port)
        program = ensure(spec.environment) / "bin" / spec.command[0]
        self.process = subprocess.Popen([str(program), *spec.command[1:]], start_new_session=True)
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(spec.ready_url, timeout=1).raise_for_status()
            except httpx.HTTPError:
                assert self.process.poll() is None, "Envoy ended at its start"
                assert time.monotonic() < deadline, "Envoy is not ready"
                time.sleep(0.05)
            else:
                return

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it, and what runs it."""
        family = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children()]
        self.signal(how)
        self.process.wait(10)
        psutil.wait_procs(family, timeout=10)
        hot_restart.clear(hot_restart.base_id(self.state.root))

    def signal(self, sign: int) -> None:
        """Send a signal to it and to what runs it."""
        os.killpg(self.process.pid, sign)


def environment(proxy: Proxy, folder: Path) -> dict[str, str]:
    """What a command is started with: settings in which nothing but the router is up."""
    nobody = "http://127.0.0.1:9"
    Settings(
        state=proxy.state.root,
        manifests=folder,
        contracts=folder,
        pools=folder,
        owners=folder,
        envoy_admin=f"http://127.0.0.1:{proxy.admin_port}",
        prefect_api=nobody,
        mlflow=nobody,
        sentinel=nobody,
    ).write(folder / "turnout.yaml")
    return {**os.environ, "TURNOUT_SETTINGS": str(folder / "turnout.yaml")}


@pytest.fixture(scope="session")
def proxy(tmp_path_factory) -> Iterator[Proxy]:
    """One Envoy for all tests; each test has a model of its own in it."""
    state = State(tmp_path_factory.mktemp("router"))
    word = Word()
    made = Proxy(state, free_port(), word)
    envoy.prepare(state, admin_port=made.admin_port, sentinel_port=word.port, capture_port=free_port())
    made.start()
    try:
        yield made
    finally:
        made.stop()
        word.close()


@pytest.fixture(params=["memory", "envoy"])
def router(request):
    """Both routers, one after the other."""
    return MemoryRouter() if request.param == "memory" else request.getfixturevalue("proxy").router


@dataclass
class Model:
    """A model's name and what its tests need: free names, addresses, a policy."""

    name: str
    registration: Registration

    def opening(self, number: int = 1, port: int = 9, **policy) -> Opening:
        """The opening of one of its attempts."""
        candidate = Address(name=f"{self.name}-{number}", port=port)
        return Opening(
            model=self.name,
            attempt=f"{self.name}-{number}",
            candidate=candidate,
            policy=RoutePolicy(**policy),
        )


@pytest.fixture
def model() -> Model:
    """A model that no other test uses."""
    name = f"iris{next(_NUMBERS)}-{os.getpid()}"
    stable = Address(name=f"{name}-legacy", port=9)
    return Model(name, Registration(model=name, listen_port=free_port(), stable=stable))


@pytest.fixture
def legacy() -> Iterator[Backend]:
    """A legacy server that answers."""
    server = Backend("legacy")
    yield server
    server.close()


@pytest.fixture
def candidate() -> Iterator[Backend]:
    """A candidate that answers until it is told to fail."""
    server = Backend("candidate")
    yield server
    server.close()


@pytest.fixture
def own_proxy(tmp_path) -> Iterator[Proxy]:
    """An Envoy of this test's own, to be stopped, started and starved."""
    word = Word()
    made = Proxy(State(tmp_path / "state"), free_port(), word)
    envoy.prepare(made.state, admin_port=made.admin_port, sentinel_port=word.port, capture_port=free_port())
    made.start()
    try:
        yield made
    finally:
        made.stop(signal.SIGKILL)
        word.close()
        shutil.rmtree(made.state.root, ignore_errors=True)
