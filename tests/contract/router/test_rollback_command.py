"""`turnout rollback` as it is typed at 3 am, in a process of its own."""

import asyncio
import json
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.contract.router.conftest import environment
from tests.waiting import until
from turnout.domain.route import RouteChange

STOPPED_WRITER = """
import os, signal, sys
from pathlib import Path
from turnout.domain.errors import RefusedError
from turnout.domain.route import RouteChange
from turnout.fabric.router import envoy
from turnout.fabric.router.directory import RouteDirectory
from turnout.fabric.state import State

folder, admin, stop_at = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
model, attempt = sys.argv[4:6]

def step(word):
    if word == stop_at:
        os.kill(os.getpid(), signal.SIGSTOP)

envoy.RouteDirectory = lambda folder: RouteDirectory(folder, step=step)
router = envoy.EnvoyRouter(State(folder), admin_url=admin)
read = router.read(model)
change = RouteChange(model=model, attempt=attempt, read_version=read.version, weight=0.9)
try:
    router.change(change)
except RefusedError:
    sys.exit(3)
"""


@pytest.fixture
def live(proxy, model, tmp_path):
    """A live attempt at half of the traffic, and the environment that a command finds its settings with."""
    proxy.router.register(model.registration)
    opened = proxy.router.open(model.opening())
    change = RouteChange(model=model.name, attempt=opened.attempt, read_version=opened.version, weight=0.5)
    route = proxy.router.change(change)
    return route, environment(proxy, tmp_path)


def rollback(env, *arguments):
    """Run the command; returns what it said, and prints how long it took."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "turnout", "rollback", *arguments],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"turnout rollback: {time.monotonic() - begun:.2f} s")
    return done


def test_one_command_takes_everything_back(proxy, live):
    """With Prefect, MLflow and the sentinel down, the traffic is on legacy and the reason is kept."""
    route, env = live
    done = rollback(env, route.model, "--reason", "it answers nonsense", "--by", "ana")
    assert done.returncode == 0, done.stderr
    assert f"Attempt {route.attempt} is over" in done.stdout
    assert "legacy has 100 %" in done.stdout
    tombstone = proxy.router.tombstone(route.model, route.attempt)
    assert (tombstone.reason, tombstone.by) == ("it answers nonsense", "ana")
    history = (proxy.state.routes / route.model / "history.jsonl").read_text().splitlines()
    assert json.loads(history[-1])["event"] == "roll_back"


def test_a_second_command_says_that_nothing_was_left_to_do(live):
    """Repeating it at 3 am is no error, and says so."""
    route, env = live
    rollback(env, route.model, "--reason", "once")
    done = rollback(env, route.model, "--reason", "twice")
    assert done.returncode == 0
    assert "no attempt is live" in done.stdout


def test_it_says_when_envoy_does_not_answer(proxy, live, tmp_path):
    """With the router down the files are safe, and the command says what that means."""
    route, env = live
    settings = tmp_path / "turnout.yaml"
    settings.write_text(settings.read_text().replace(str(proxy.admin_port), "9"))
    done = rollback(env, route.model, "--reason", "all is dark")
    assert done.returncode == 0
    assert "Envoy does not answer" in done.stdout
    assert proxy.router.read(route.model).attempt is None


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["nobody", "--reason", "x"], 1, "the router does not know it"),
        (["../iris", "--reason", "x"], 2, "not a name of a model"),
        (["nobody"], 2, "--reason"),
        (["nobody", "--reason", " "], 2, "more than blanks"),
    ],
)
def test_bad_input_is_one_clear_error(live, arguments, status, said):
    """An unknown model, a path for a name, and no reason are refused in words."""
    _, env = live
    done = rollback(env, *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_it_loads_nothing_slow(live):
    """The command imports none of what may be down, or takes a second to load."""
    _, env = live
    code = "import sys, turnout.cli.rollback; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert not {"prefect", "mlflow", "ray", "numpy", "scipy", "httpx", "grpc", "aiohttp"} & set(
        done.stdout.split()
    )


@pytest.mark.parametrize("stop_at", ["lock", "read own document", "write staged", "rename staged", "poke"])
async def test_a_stopped_writer_cannot_put_traffic_back(proxy, live, stop_at):
    """A raise stopped anywhere, with its lock held, delays no rollback and has no effect when it goes on."""
    route, env = live
    arguments = [str(proxy.state.root), proxy.router._admin.url, stop_at, route.model, route.attempt]
    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", STOPPED_WRITER, *arguments, env=env)
    try:
        await asyncio.to_thread(_until_stopped, writer.pid)
        done = await asyncio.to_thread(rollback, env, route.model, "--reason", "writer stopped")
        assert done.returncode == 0, done.stderr
        assert proxy.router.read(route.model).attempt is None
        writer.send_signal(signal.SIGCONT)
        assert await asyncio.wait_for(writer.wait(), 30) == 3
    finally:
        if writer.returncode is None:
            writer.kill()
            await writer.wait()
    assert proxy.router.read(route.model).weight == 0.0
    assert proxy.router.reported_version(route.model) == "legacy.1"


def _until_stopped(pid):
    process = psutil.Process(pid)
    until(lambda: process.status() == psutil.STATUS_STOPPED, "the writer is where it stops")
