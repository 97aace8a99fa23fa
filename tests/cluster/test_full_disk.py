"""The way back on a disk without a free block or inode: a small tmpfs, which takes root to mount."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import urllib.request

import httpx
import pytest

from tests.contract.router.conftest import Proxy, free_port
from tests.contract.router.tiny_servers import Backend, Word
from tests.contract.servers.conftest import tiny_spec
from tests.waiting import until
from turnout.domain.errors import TurnoutError
from turnout.domain.route import Backend as Address
from turnout.domain.route import Opening, Registration, RouteChange
from turnout.fabric.processes import Processes
from turnout.fabric.router import envoy
from turnout.fabric.state import State
from turnout.fabric.tether import tethered

MODEL, ATTEMPT = "iris", "iris-1"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of two megabytes."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small tmpfs takes root and mount(8)")
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m,nr_inodes=500", "tmpfs", str(tmp_path)], check=True
    )
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.fixture
def proxy(small_disk):
    """A router whose state lies on the small disk, one attempt live at 95 % and serving."""
    word = Word()
    word.armed.add(ATTEMPT)
    made = Proxy(State(small_disk / "state"), free_port(), word)
    envoy.prepare(made.state, admin_port=made.admin_port, sentinel_port=word.port, capture_port=free_port())
    made.start()
    yield made
    made.stop(signal.SIGKILL)
    word.close()


def fill(folder):
    """Take every block and every inode that is left."""
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    with contextlib.suppress(OSError):
        for number in range(1000):
            (folder / f"filler-{number}").touch()
    with pytest.raises(OSError, match="No space left"):
        (folder / "one more").mkdir()


def answers(port, count=40):
    """Who answers a number of requests."""
    said = set()
    for _ in range(count):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            said.add(json.load(answer)["from"])
    return said


def test_a_rollback_needs_no_disk(proxy, small_disk):
    """With the state's disk full, a raise is refused in words, and a rollback works and keeps its reason."""
    legacy, candidate, port = Backend("legacy"), Backend("candidate"), free_port()
    router = proxy.router
    stable = Address(name="legacy", port=legacy.port)
    router.register(Registration(model=MODEL, listen_port=port, stable=stable))
    target = Address(name="candidate", port=candidate.port)
    opened = router.open(Opening(model=MODEL, attempt=ATTEMPT, candidate=target))
    change = RouteChange(model=MODEL, attempt=ATTEMPT, read_version=opened.version, weight=0.95)
    raised = router.change(change)
    assert "candidate" in answers(port)
    fill(small_disk)
    with pytest.raises(TurnoutError, match="no room left"):
        router.change(change.model_copy(update={"read_version": raised.version, "weight": 0.5}))
    assert router.read(MODEL) == raised
    made = router.roll_back(MODEL, ATTEMPT, reason="the disk is full", by="ana")
    assert router.reported_version(MODEL) == router.read(MODEL).version
    assert answers(port) == {"legacy"}
    assert router.read(MODEL).attempt is None
    assert router.tombstone(MODEL, ATTEMPT) == made
    assert made.reason == "the disk is full"
    legacy.close()
    candidate.close()


def test_a_server_that_ends_while_the_disk_is_full_is_started_again(small_disk):
    """Its status cannot be written, nor a word into the supervisor's own log: the server is kept."""
    state, spec = State(small_disk / "state"), tiny_spec("tiny", free_port())
    with tethered(state):
        servers = Processes(state)
        servers.ensure(spec, ready_within_seconds=60)
        first = servers.status("tiny").pid
        fill(small_disk)
        os.kill(first, signal.SIGKILL)
        until(lambda: _answers(spec.ready_url), "it comes back", 60)


def _answers(url):
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False
