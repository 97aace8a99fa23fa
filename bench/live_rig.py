"""A router, a sentinel, tiny servers and open-loop clients, all real processes, for the live benchmarks.

Everything lies under one directory that is deleted at the end; every process is ended by its own id, also
after a failure.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from turnout.domain.route import Backend, Opening, Registration, RouteChange, RoutePolicy
from turnout.fabric import ports
from turnout.fabric.environments import ensure
from turnout.fabric.router import envoy, route_document
from turnout.fabric.router.directory import RouteDirectory
from turnout.fabric.router.ending import REGISTRATION
from turnout.fabric.router.envoy import EnvoyRouter
from turnout.fabric.router.publishing import OPENING
from turnout.fabric.router.standing import Standing
from turnout.fabric.state import State
from turnout.settings import VARIABLE, Settings

HERE = Path(__file__).resolve().parent
CONTRACT: dict[str, Any] = {
    "wire": "v1",
    "inputs": [],
    "outputs": [],
    "same_answer": {"kind": "regression", "absolute_tolerance": 0.001},
}


class Rig:
    """The processes of one benchmark.

    Args:
        root: An empty directory for everything.
        models: Names of the models.
        contract: What their contracts say on top of `CONTRACT`.

    Attributes:
        state: The state directory.
        router: The router.
        legacy: Port of each model's legacy server.
        candidate: Port of each model's candidate.
        listen: Port of each model's clients' address.
    """

    def __init__(self, root: Path, models: list[str], contract: dict[str, Any]) -> None:
        """Write the settings and contracts; nothing runs yet."""
        self.models = models
        self.policy = RoutePolicy.model_validate(contract.get("policy", {}))
        self.state = State(root)
        taken: set[int] = set()

        def pick() -> int:
            taken.add(port := ports.pick(taken))
            return port

        self.admin_port, self.sentinel_port, self._capture_port = pick(), pick(), pick()
        self.listen = {model: pick() for model in models}
        self.legacy = {model: pick() for model in models}
        self.candidate = {model: pick() for model in models}
        self.settings = Settings(
            state=root,
            manifests=root / "manifests",
            contracts=root / "contracts",
            pools=root / "pools.yaml",
            owners=root / "owners.yaml",
            envoy_admin=f"http://127.0.0.1:{self.admin_port}",
            sentinel=f"http://127.0.0.1:{self.sentinel_port}",
            shadow_port=self._capture_port,
        )
        self.settings.contracts.mkdir(parents=True)
        for model in models:
            document = {"model": model, **CONTRACT, **contract}
            (self.settings.contracts / f"{model}.yaml").write_text(json.dumps(document))
        self.settings.write(root / "turnout.yaml")
        self.router = EnvoyRouter(self.state, admin_url=self.settings.envoy_admin)
        self._running: list[subprocess.Popen[bytes]] = []

    def attempt(self, model: str) -> str:
        """The model's one attempt."""
        return f"{model}-1"

    def prepare(self, weights: dict[str, float] | None = None) -> None:
        """Write Envoy's files; models and attempts with a weight are in them already, without a wait."""
        for model, weight in (weights or {}).items():
            self._place(model, weight)
        envoy.prepare(
            self.state,
            admin_port=self.admin_port,
            sentinel_port=self.sentinel_port,
            capture_port=self._capture_port,
        )

    def inline_routes(self) -> None:
        """Put each route into its listener: Envoy follows it no longer.

        Each followed route costs Envoy one inotify instance, and kernels allow a user 128 unless told
        otherwise (`fs.inotify.max_user_instances`). What the sentinel sees and does stays the same.
        """
        file = self.state.envoy / "lds.json"
        document = json.loads(file.read_bytes())
        for listener in document["resources"]:
            manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
            route = json.loads(RouteDirectory(self.state.routes / listener["name"]).document())
            del manager["rds"]
            manager["route_config"] = {k: v for k, v in route["resources"][0].items() if k != "@type"}
        file.write_text(json.dumps(document))

    def _place(self, model: str, weight: float) -> None:
        directory, attempt = RouteDirectory(self.state.routes / model), self.attempt(model)
        registration, opening = self.registration(model), self.opening(model)
        legacy = route_document.render(Standing(model=model), legacy=self.policy, candidate=None)
        directory.found(legacy, {REGISTRATION: registration.model_dump_json().encode()})
        standing = Standing(model=model, attempt=attempt, number=2, weight=weight)
        document = route_document.render(standing, legacy=self.policy, candidate=self.policy)
        directory.prepare(attempt, document, {OPENING: opening.model_dump_json().encode()})
        directory.open(attempt)

    def registration(self, model: str) -> Registration:
        """The model and its legacy server."""
        stable = Backend(name=f"{model}-legacy", port=self.legacy[model])
        return Registration(model=model, listen_port=self.listen[model], stable=stable, policy=self.policy)

    def opening(self, model: str) -> Opening:
        """The model's attempt."""
        backend = Backend(name=self.attempt(model), port=self.candidate[model])
        return Opening(model=model, attempt=self.attempt(model), candidate=backend, policy=self.policy)

    def set_weight(self, model: str, weight: float) -> None:
        """Change the weight."""
        read = self.router.read(model)
        self.router.change(
            RouteChange(model=model, attempt=read.attempt, read_version=read.version, weight=weight)
        )

    def start_envoy(self) -> "subprocess.Popen[bytes]":
        """Start the router, ready when this returns."""
        spec = envoy.server(self.state, admin_port=self.admin_port)
        program = ensure(spec.environment) / "bin" / spec.command[0]
        process = self._start([str(program), *spec.command[1:]], log="envoy")
        wait(lambda: answered(spec.ready_url), 300, "Envoy is ready")
        return process

    def envoy_pid(self) -> int:
        """Process of Envoy itself, which a keeper may have started."""
        return next(p.pid for p in self._families() if Path(p.exe()).name == "envoy")

    def _families(self) -> Iterator[psutil.Process]:
        for process in self._running:
            yield from [one := psutil.Process(process.pid), *one.children(recursive=True)]

    def start_sentinel(self) -> "subprocess.Popen[bytes]":
        """Start the sentinel, answering when this returns."""
        command = [sys.executable, "-m", "turnout.services.sentinel", "--port", str(self.sentinel_port)]
        process = self._start(command, log="sentinel")
        wait(lambda: answered(f"{self.settings.sentinel}/healthz"), 60, "the sentinel answers")
        return process

    def start_servers(self) -> "Told":
        """Start every model's two servers."""
        listening = sorted({*self.legacy.values(), *self.candidate.values()})
        return Told(self._start([sys.executable, str(HERE / "model_servers.py"), *map(str, listening)]))

    def start_clients(self, rate: float) -> "Told":
        """Start the clients of all routes."""
        called = [str(port) for port in self.listen.values()]
        return Told(self._start([sys.executable, str(HERE / "open_loop.py"), str(rate), *called]))

    def standings(self) -> dict[str, Any]:
        """What the sentinel says of all attempts."""
        with urllib.request.urlopen(f"{self.settings.sentinel}/attempts", timeout=10) as answer:  # noqa: S310 -- ours
            found: dict[str, Any] = json.load(answer)
        return found

    def end(self) -> None:
        """End every process."""
        for process in reversed(self._running):
            _end(process)

    def _start(self, command: list[str], *, log: str | None = None) -> "subprocess.Popen[bytes]":
        where = self.state.root / f"{log or Path(command[1]).stem}.log"
        with where.open("ab") as errors:
            process = subprocess.Popen(
                command,
                cwd=HERE.parent,
                env={**os.environ, VARIABLE: str(self.state.root / "turnout.yaml")},
                stdin=None if log else subprocess.PIPE,
                stdout=errors if log else subprocess.PIPE,
                stderr=errors,
            )
        self._running.append(process)
        return process


class Told:
    """A process of the benchmarks that is told things, and tells what it saw at its end."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        """Wait until it is ready."""
        self.process = process
        if self._line() != b"ready\n":
            raise RuntimeError(f"{process.args!r} did not start")

    def tell(self, document: dict[str, Any]) -> None:
        """Tell it one thing."""
        if self.process.stdin:
            self.process.stdin.write(json.dumps(document).encode() + b"\n")
            self.process.stdin.flush()

    def finish(self) -> dict[str, Any]:
        """End it and return what it saw."""
        if self.process.stdin:
            self.process.stdin.close()
        found: dict[str, Any] = json.loads(self._line())
        self.process.wait(30)
        return found

    def _line(self) -> bytes:
        return self.process.stdout.readline() if self.process.stdout else b""


@contextlib.contextmanager
def rig(models: list[str], contract: dict[str, Any]) -> Iterator[Rig]:
    """A rig whose processes and files are gone afterwards; its logs are kept where something failed."""
    root = Path(tempfile.mkdtemp(prefix="turnout-bench-"))
    made = Rig(root, models, contract)
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: sys.exit(1))
    try:
        yield made
    except BaseException:
        made.end()
        for log in root.glob("*.log"):
            text = log.read_text()
            shown = text if len(text) < 4000 else f"{text[:2000]}\n...\n{text[-2000:]}"
            print(f"{log.name}: {shown}", file=sys.stderr)
        raise
    finally:
        made.end()
        shutil.rmtree(root, ignore_errors=True)


def wait(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until something is so.

    Raises:
        TimeoutError: It was not within that time.
    """
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.1)


def answered(url: str) -> bool:
    """Whether something answers well at a URL."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 -- ours
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
