import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.waiting import until
from turnout.domain.errors import RefusedError
from turnout.fabric import marks
from turnout.fabric.board import Board
from turnout.fabric.processes import Processes
from turnout.fabric.state import State
from turnout.fabric.tether import tethered

SECONDS = 30.0
ROOT = Path(__file__).parents[3]


def lab(state: State, server: str | None = None) -> list[psutil.Process]:
    """Living processes of a lab."""
    return marks.marked(marks.lab_id(state.root), server)


def test_a_killed_supervisor_leaves_nothing(state, make, free_port):
    """Killed with -9: the reaper ends every server, its children and its daemons."""
    with tethered(state) as tether:
        Processes(state).ensure(make("tiny", free_port, "--child", "--daemon"), ready_within_seconds=SECONDS)
        assert len(lab(state, "tiny")) == 3

        tether.process.kill()
        tether.process.wait()

        until(lambda: not lab(state), "all have ended")
        # A process on its way out is off the list a moment before the kernel lets go of its lock.
        until(lambda: Processes(state).status("tiny").state == "unknown", "nobody watches it")


def test_a_killed_reaper_is_replaced(state, tiny):
    """No single process is trusted: without its reaper a lab goes on, and gets a new one."""
    with tethered(state) as tether:
        before = Processes(state).ensure(tiny, ready_within_seconds=SECONDS)
        [reaper] = lab(state, "reaper")

        reaper.kill()

        until(lambda: [p.pid for p in lab(state, "reaper")] not in ([], [reaper.pid]), "another reaper")
        assert Processes(state).status("tiny").pid == before.pid
        tether.process.kill()
        tether.process.wait()
        until(lambda: not lab(state), "all have ended")


def test_a_supervisor_that_is_told_to_end_leaves_nothing(state, make, free_port):
    """SIGTERM ends every server before the supervisor itself ends, with status 0."""
    with tethered(state) as tether:
        Processes(state).ensure(make("tiny", free_port, "--child", "--daemon"), ready_within_seconds=SECONDS)

        tether.process.terminate()

        assert tether.process.wait(SECONDS) == 0
        assert lab(state) == []


def test_a_second_supervisor_is_refused_and_the_first_undisturbed(state, tiny):
    """Two supervisors never fight over the same servers."""
    with tethered(state):
        before = Processes(state).ensure(tiny, ready_within_seconds=SECONDS)

        with pytest.raises(RefusedError, match="keeps it"), tethered(state):
            pass
        direct = subprocess.run(
            [sys.executable, "-m", "turnout.fabric.supervisor", state.root],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip

        assert direct.returncode == 1
        assert "one supervisor a state directory" in direct.stderr
        assert Processes(state).status("tiny") == before


def test_two_labs_run_side_by_side(tmp_path, make, free_port):
    """Ending one lab touches nothing of another."""
    one, other = State(tmp_path / "one"), State(tmp_path / "other")
    with tethered(one):
        before = Processes(one).ensure(make("tiny", free_port), ready_within_seconds=SECONDS)
        with tethered(other):
            Processes(other).ensure(
                make("tiny", free_port, ports=(), ready_url=None), ready_within_seconds=SECONDS
            )
        assert lab(other) == []
        assert Processes(one).status("tiny") == before


def test_who_brings_up_and_is_killed_leaves_nothing(state, tiny):
    """Servers hang on the caller until it lets them go: kill -9 of the caller ends them."""
    program = (
        "import sys, pathlib, time\n"
        "from turnout.domain.server import ServerSpec\n"
        "from turnout.fabric.processes import Processes\n"
        "from turnout.fabric.state import State\n"
        "from turnout.fabric.tether import tethered\n"
        "state = State(pathlib.Path(sys.argv[1]))\n"
        "with tethered(state):\n"
        "    spec = ServerSpec.model_validate_json(sys.argv[2])\n"
        "    Processes(state).ensure(spec, ready_within_seconds=30)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(state.root), tiny.model_dump_json()]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}) as caller:
        until(lambda: Processes(state).status("tiny").state == "ready", "ready")
        caller.kill()

    until(lambda: not lab(state), "all have ended")


def test_a_detached_lab_lives_on(state, tiny):
    """Once let go, servers outlive who brought them up, until they are told to end."""
    with tethered(state) as tether:
        before = Processes(state).ensure(tiny, ready_within_seconds=SECONDS)
        tether.detach()
    try:
        assert Processes(state).ensure(tiny, ready_within_seconds=SECONDS).pid == before.pid
    finally:
        tether.process.terminate()
        tether.process.wait(SECONDS)
    assert lab(state) == []


def test_a_new_supervisor_takes_over_the_specs(state, tiny):
    """What should run is on disk: after a crash the next supervisor brings it back."""
    with tethered(state):
        before = Processes(state).ensure(tiny, ready_within_seconds=SECONDS)
    assert Processes(state).status("tiny").state == "stopped"

    with tethered(state):
        assert Processes(state).ensure(tiny, ready_within_seconds=SECONDS).pid != before.pid


def test_anew_a_supervisor_starts_nothing_of_what_was_there(state, make, free_port):
    """Not for a moment: what an earlier server needs may have to be made first."""
    log = state.log("tiny")
    with tethered(state):
        Processes(state).ensure(make("tiny", free_port), ready_within_seconds=SECONDS)
    said = log.read_text()

    with tethered(state, anew=True):
        Processes(state).ensure(make("other", free_port), ready_within_seconds=SECONDS)
        assert not lab(state, "tiny")
        assert Processes(state).status("tiny").state == "stopped"
        assert log.read_text() == said


def test_what_both_keepers_left_behind_is_ended_first(state, tiny, living):
    """Supervisor and reaper killed together: the next supervisor ends the leftovers before it starts anew."""
    with tethered(state) as tether:
        before = Processes(state).ensure(tiny, ready_within_seconds=SECONDS)
        [reaper] = lab(state, "reaper")
        reaper.send_signal(signal.SIGSTOP)  # or it would act in the moment between the two
        tether.process.kill()
        tether.process.wait()
        reaper.kill()
        until(lambda: [p.pid for p in lab(state)] == [before.pid], "what was there before")

    with tethered(state):
        assert not living([before.pid])
        after = Processes(state).ensure(tiny, ready_within_seconds=SECONDS)
        assert after.state == "ready"
        assert after.pid != before.pid


def test_a_spec_that_cannot_be_read_disturbs_nothing(state, tiny, living):
    """A damaged file keeps its server as it is instead of ending it."""
    with tethered(state):
        before = Processes(state).ensure(tiny, ready_within_seconds=SECONDS)
        (state.servers / "tiny.json").write_text("{")
        (state.servers / "other.json").write_text(json.dumps({"name": "other"}))

        second = tiny.model_copy(update={"name": "second", "ports": (), "ready_url": None})
        Processes(state).ensure(second, ready_within_seconds=SECONDS)

        assert living([before.pid])
        assert Board(state).supervisor() is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="the kernel lets others do so now and then")
def test_servers_are_as_nice_as_their_supervisor(state, tiny):
    """Each has a session of its own, which the kernel weighs against others by the session's value alone."""
    with tethered(state, within=("nice", "-n", "7")):
        pid = Processes(state).ensure(tiny, ready_within_seconds=SECONDS).pid
        assert os.getpriority(os.PRIO_PROCESS, pid) == 7
        session = Path(f"/proc/{pid}/autogroup")  # where the kernel has them
        assert not session.exists() or session.read_text().split()[-1] == "7"
