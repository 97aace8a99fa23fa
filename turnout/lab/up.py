"""Brings the lab up: everything at once where it can, nothing left behind where it fails."""

import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from threading import BoundedSemaphore
from typing import NoReturn

import click

from turnout.domain.errors import RefusedError
from turnout.domain.server import ServerSpec
from turnout.fabric import environments, marks, whole
from turnout.fabric.board import Board
from turnout.fabric.processes import Processes
from turnout.fabric.router import hot_restart
from turnout.fabric.state import State
from turnout.fabric.tether import tethered
from turnout.lab import (
    control_plane,
    deployments,
    estate,
    lab_ports,
    legacy_servers,
    models,
    ray_head,
    traffic,
)
from turnout.lab.estate import Portfolio
from turnout.settings import Settings

LEAST_FREE_BYTES = 256 * 2**20
"""Logs, models, databases and records of a demonstration, with room to spare."""
READY_WITHIN_SECONDS = 240.0
"""Everything starts at once on two cores."""
AT_ONCE = 3
"""Starts under way at the same time: more would only make each of them late (Ray gives itself 30 s)."""
NEEDED_LATER = ("triton", "convert")
"""Environments that no server of a fresh lab needs, but the first migration does."""

Say = Callable[[str], None]


def up(
    root: Path,
    *,
    rate: float = 20.0,
    portfolio: Portfolio = Portfolio.QUICK,
    fixed_ports: Mapping[str, int] | None = None,
    say: Say = click.echo,
) -> Settings:
    """Bring a lab up and leave it running.

    Args:
        root: The state directory; made when it is not there.
        rate: Requests a second that the client sends to a model of pace 1; 0 for none.
        portfolio: Which models; those that the state directory has had before stay.
        fixed_ports: Ports that the user wants, by name.
        say: Gets progress, a line a time.

    Returns:
        The lab's settings.

    Raises:
        InvalidInputError: A port is taken.
        RefusedError: The lab is up already, or there is no room.
        TurnoutError: Something did not start; all that did is ended again.
    """
    state = State(root.resolve())
    _check(state)
    say(f"state directory {state.root}")
    _end_on_signals()
    try:
        estate.lay_out(state, portfolio)
        return _rise(state, rate, fixed_ports or {}, _timed(say))
    except BaseException:
        ray_head.clear(state)
        hot_restart.clear(hot_restart.base_id(state.root))
        raise


def _rise(state: State, rate: float, fixed_ports: Mapping[str, int], say: Say) -> Settings:
    # The tether is let go before the pool waits for its threads: what they wait for has then ended.
    with ThreadPoolExecutor(max_workers=16) as pool, tethered(state) as tether:
        # Ports are looked at with the state directory ours, so that no second lab looks at the same time.
        ports = lab_ports.allocate(state, fixed_ports)
        settings = _lay_out(state, ports)
        _Rise(state, ports, rate, say, pool).run()
        tether.detach()
    return settings


def _check(state: State) -> None:
    if (pid := Board(state).supervisor()) is not None:
        raise RefusedError(
            f"lab in {state.root}", observed=f"up already (supervisor {pid})", limit="a lab that is down",
            remedy="Run: turnout lab down",
        )  # fmt: skip
    try:
        state.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise whole.full(state.root) if whole.is_full(error) else error from error
    free = shutil.disk_usage(state.root).free
    if free < LEAST_FREE_BYTES:
        raise RefusedError(
            f"state directory {state.root}", observed=f"{free / 2**20:.1f} MiB free",
            limit=f"at least {LEAST_FREE_BYTES // 2**20} MiB",
            remedy="Free some room there, or choose another directory with --state.",
        )  # fmt: skip


def _lay_out(state: State, ports: dict[str, int]) -> Settings:
    """Write the settings; take down the specs of an earlier lab."""
    board = Board(state)
    for name in board.names():
        if not name.startswith(("triton-", "vllm-")):  # an attempt's server goes on with its attempt
            board.take(name)
    settings = settings_of(state, ports)
    settings.write(state.settings_file)
    return settings


def settings_of(state: State, ports: Mapping[str, int]) -> Settings:
    """The settings of a lab: where its estate is laid out, and where its servers listen.

    Args:
        state: Its state directory, with the estate.
        ports: Its ports, by name.
    """
    here = "http://127.0.0.1"
    return Settings(
        state=state.root,
        manifests=state.estate / "manifests",
        contracts=state.estate / "contracts",
        pools=state.estate / "pools.yaml",
        owners=state.estate / "owners.yaml",
        envoy_admin=f"{here}:{ports['envoy-admin']}",
        sentinel=f"{here}:{ports['sentinel']}",
        shadow_port=ports["shadow"],
        prefect_api=f"{here}:{ports['prefect']}/api",
        prefect_ui=f"{here}:{ports['prefect']}",
        mlflow=f"{here}:{ports['mlflow']}",
        ray_dashboard=f"{here}:{ports['ray-dashboard']}",
        ray_serve=f"{here}:{ports['ray-serve']}",
        data_docs=f"{here}:{ports['data-docs']}",
        legacy={m.name: f"127.0.0.1:{ports[m.port]}" for m in estate.laid_out(state)},
    )


class _Rise:
    """One start of a lab: what depends on nothing starts at once, the rest as soon as it can."""

    def __init__(
        self, state: State, ports: dict[str, int], rate: float, say: Say, pool: ThreadPoolExecutor
    ) -> None:
        self._state = state
        self._models = estate.laid_out(state)
        self._ports = ports
        self._rate = rate
        self._say = say
        self._pool = pool
        self._servers = Processes(state, say)
        self._hands = BoundedSemaphore(AT_ONCE)

    def run(self) -> None:
        steps = [
            self._pool.submit(step)
            for step in (self._ray, self._control_plane, self._mlflow, self._traffic, self._needed_later)
        ]
        _all(steps)

    def _traffic(self) -> None:
        steps = [self._pool.submit(self._router)]
        steps += [self._pool.submit(self._legacy, model) for model in self._models]
        _all(steps)
        traffic.register(self._state, self._models, self._ports)
        self._say("router: every model known, all traffic on legacy")
        if self._rate > 0:
            traffic.pace(self._state, {m.name: m.pace for m in self._models})
            self._start(traffic.client(self._state, self._models, self._ports, rate=self._rate))

    def _router(self) -> None:
        self._environment("envoy")
        self._start(traffic.router(self._state, self._ports))
        self._start(traffic.sentinel(self._ports))
        self._start(traffic.shadow(self._ports))

    def _legacy(self, model: estate.LegacyModel) -> None:
        self._environment(model.environment)
        with self._hands:
            models.train(model, self._state)
        self._say(f"{model.name}: trained")
        for spec in legacy_servers.specs(model, self._state, self._ports):
            self._start(spec)

    def _control_plane(self) -> None:
        self._start(control_plane.prefect(self._state, self._ports))
        deployments.deploy(self._state, self._ports)
        self._say("prefect: flows deployed")
        self._start(control_plane.worker(self._state, self._ports))
        self._start(control_plane.tender(self._state, self._ports))

    def _mlflow(self) -> None:
        self._start(control_plane.mlflow(self._state, self._ports))
        self._start(control_plane.data_docs(self._state, self._ports))

    def _ray(self) -> None:
        self._start(ray_head.spec(self._state, self._ports))
        with self._hands:
            ray_head.start_serve(self._servers, self._ports, within_seconds=READY_WITHIN_SECONDS)
        self._say("ray: Serve answers")

    def _needed_later(self) -> None:
        for name in dict.fromkeys((*NEEDED_LATER, *(name for m in self._models for name in m.needs))):
            self._environment(name)

    def _environment(self, name: str) -> None:
        # Marked, so that the installer ends with the lab when `up` is killed.
        environments.ensure(name, self._say, env=marks.marks(marks.lab_id(self._state.root), "up"))

    def _start(self, spec: ServerSpec) -> None:
        with self._hands:
            self._say(f"{spec.name}: starting")
            status = self._servers.ensure(spec, ready_within_seconds=READY_WITHIN_SECONDS)
        ports = f", port {spec.ports[0]}" if spec.ports else ""
        self._say(f"{spec.name}: {status.state} (process {status.pid}{ports})")


def _all(steps: list[Future[None]]) -> None:
    """Wait for every step; the first that fails fails all."""
    done, _ = wait(steps, return_when=FIRST_EXCEPTION)
    for step in done:
        step.result()


def _timed(say: Say) -> Say:
    began = time.monotonic()
    return lambda line: say(f"[{time.monotonic() - began:5.1f} s] {line}")


def _end_on_signals() -> None:
    """Leave in order on SIGTERM and SIGHUP as on Ctrl-C: the tether then ends what was started."""

    def leave(sign: int, _frame: object) -> NoReturn:
        sys.exit(128 + sign)

    for sign in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, leave)
