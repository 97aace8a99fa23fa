"""Faults are put in, and taken away again whatever happens meanwhile."""

import contextlib
import signal
import subprocess

import psutil
import pytest

from tests.waiting import until
from turnout.domain.server import ServerStatus
from turnout.fabric import marks
from turnout.fabric.state import State
from turnout.lab import faults
from turnout.lab.drills.drill import Drill, Fault, Stage
from turnout.lab.drills.injections import BEYOND_SECONDS, Injector, Leases
from turnout.lab.drills.processes import Moving, Processes

LEASES = Leases(guard_seconds=4.0, step_seconds=20.0)
IRIS = Moving("iris", "iris-1", "a run")


class OneServer:
    """Servers of which one runs."""

    def __init__(self, name, process):
        """Keep it."""
        self._name, self._process = name, process

    def status(self, name):
        """Ready where it is the one."""
        pid = self._process.pid if name == self._name else None
        return ServerStatus(name=name, state="ready" if pid else "stopped", pid=pid)


@pytest.fixture
def sentinel(tmp_path):
    """A process that is marked as the sentinel of a lab."""
    process = subprocess.Popen(["sleep", "60"], env=marks.marks(marks.lab_id(tmp_path), "sentinel"))
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def injector(tmp_path, sentinel):
    """Faults for a lab of which only the sentinel runs."""
    state = State(tmp_path)
    return Injector(state, Processes(state, OneServer("sentinel", sentinel)), LEASES)


def test_a_pause_outlasts_the_lease_and_ends(injector, sentinel):
    """Stopped while the block lasts; continued after it, also when something goes wrong in it."""
    process = psutil.Process(sentinel.pid)
    pause = Drill(Fault.PAUSE, "sentinel", Stage.CANARY)
    with contextlib.suppress(KeyboardInterrupt), injector.put(pause, (IRIS,)) as done:
        until(lambda: process.status() == psutil.STATUS_STOPPED, "stopped")  # sent before it is taken
        assert done.seconds == LEASES.of(pause) + BEYOND_SECONDS
        raise KeyboardInterrupt
    until(lambda: process.status() != psutil.STATUS_STOPPED, "continued")
    assert [deed.did.split()[0] for deed in done.deeds] == ["SIGSTOP", "SIGCONT"]


def test_a_kill_kills(injector, sentinel):
    """What was there is gone; what is not there cannot be hit, and that is said."""
    with injector.put(Drill(Fault.KILL, "sentinel", Stage.CANARY), (IRIS,)) as done:
        assert done.models is None
    assert sentinel.wait(10) == -signal.SIGKILL
    with injector.put(Drill(Fault.KILL, "triton", Stage.CANARY), (IRIS,)) as done:
        assert done.deeds == []


def test_a_clock_is_set_back(injector, tmp_path):
    """An hour on while the block lasts."""
    file = tmp_path / "drills" / "sentinel.clock"
    with injector.put(Drill(Fault.FORWARD, "sentinel", Stage.GATE), (IRIS,)):
        assert file.read_text() == "+3600\n"
    assert file.read_text() == "+0\n"


def test_a_candidate_goes_wrong_for_as_long_as_the_block_lasts(injector, tmp_path):
    """One model's candidate, by the lab's own faults."""
    file = faults.file(tmp_path, "iris-1")
    with injector.put(Drill(Fault.SLOW, "candidate", Stage.CANARY), (IRIS,)) as done:
        assert file.is_file()
        assert (done.models, done.seconds) == ({"iris"}, None)
    assert not file.exists()


@pytest.mark.parametrize(
    ("drill", "seconds"),
    [
        (Drill(Fault.PAUSE, "sentinel", Stage.GATE), 7.0),
        (Drill(Fault.PAUSE, "flow run", Stage.CANARY), 23.0),
        (Drill(Fault.PAUSE, "flow run", Stage.SHADOW), None),
        (Drill(Fault.KILL, "sentinel", Stage.GATE), None),
        (Drill(Fault.PAUSE, "mlflow", Stage.CANARY), None),
    ],
)
def test_which_lease_guards(drill, seconds):
    """A stopped sentinel: the router's; a stopped run with traffic: its step's; else none has to act."""
    assert LEASES.of(drill) == seconds
