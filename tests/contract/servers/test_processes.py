import contextlib
import os
import signal
import socket
import subprocess

import httpx
import psutil
import pytest

from tests.waiting import until
from turnout.domain.errors import InvalidInputError, RefusedError, TemporaryError, UnreachableError
from turnout.fabric import marks
from turnout.fabric.processes import Processes
from turnout.fabric.state import State
from turnout.fabric.tether import tethered

SECONDS = 30.0


def test_a_server_is_ready_when_ensure_returns(supervised, tiny):
    """Who asked for a server can call it at once."""
    status = supervised.ensure(tiny, ready_within_seconds=SECONDS)

    assert status.state == "ready"
    assert status.pid is not None
    assert httpx.get(tiny.ready_url).status_code == 200


def test_ensuring_again_changes_nothing(supervised, tiny):
    """A flow that runs again does not disturb what already serves."""
    before = supervised.ensure(tiny, ready_within_seconds=SECONDS)

    assert supervised.ensure(tiny, ready_within_seconds=SECONDS).pid == before.pid


def test_a_changed_spec_starts_the_server_anew(supervised, tiny, living):
    """What runs is what the spec says now, on the same port."""
    before = supervised.ensure(tiny, ready_within_seconds=SECONDS)
    changed = tiny.model_copy(update={"env": {"WHICH": "second"}})

    after = supervised.ensure(changed, ready_within_seconds=SECONDS)

    assert after.pid != before.pid
    assert psutil.Process(after.pid).environ()["WHICH"] == "second"
    assert not living([before.pid])


def is_back(supervised):
    """Whether the tiny server was started again once, and is ready."""
    status = supervised.status("tiny")
    return status.restarts == 1 and status.state == "ready"


def test_a_killed_server_is_started_again(supervised, tiny):
    """A server outlives its own death, and its status says how often."""
    before = supervised.ensure(tiny, ready_within_seconds=SECONDS)

    os.kill(before.pid, signal.SIGKILL)

    until(lambda: is_back(supervised), "started again")
    assert httpx.get(tiny.ready_url).status_code == 200


def test_what_a_dead_server_started_is_gone_before_it_starts_again(supervised, make, free_port, living):
    """A restart never meets its predecessor's children, daemons included."""
    spec = make("tiny", free_port, "--child", "--daemon")
    before = supervised.ensure(spec, ready_within_seconds=SECONDS)
    old = {p.pid for p in _of(supervised, "tiny")}
    assert len(old) == 3

    os.kill(before.pid, signal.SIGKILL)

    until(lambda: is_back(supervised), "started again")
    assert not living(old)


@pytest.mark.parametrize("options", [(), ("--child", "--daemon"), ("--child", "--daemon", "--deaf")])
def test_stop_ends_a_server_and_everything_it_started(supervised, make, free_port, living, options):
    """Nothing of a stopped server lives on: no child, no daemon, nothing that ignores SIGTERM."""
    supervised.ensure(make("tiny", free_port, *options), ready_within_seconds=SECONDS)
    pids = {p.pid for p in _of(supervised, "tiny")}
    assert len(pids) == (3 if options else 1)

    supervised.stop("tiny")

    assert not living(pids)
    assert supervised.status("tiny").state == "stopped"


def test_stopping_what_is_not_there_is_harmless(supervised):
    """Taking down twice, or before it was put up, is no error."""
    supervised.stop("never-was")


def test_a_server_that_is_not_to_be_restarted_stays_ended(supervised, make, free_port):
    """`restart: false` runs once, and its status says how it ended."""
    spec = make("once", free_port, "--end", "0.5", restart=False, ready_url=None)

    supervised.ensure(spec, ready_within_seconds=SECONDS)

    until(lambda: supervised.status("once").state == "stopped", "it has ended")
    assert supervised.status("once").detail == "ended with status 3"
    assert supervised.status("once").restarts == 0


def test_a_server_that_never_gets_ready_is_an_error_with_its_last_words(supervised, make, free_port):
    """The reader sees what the server said, not only that it was late."""
    spec = make("tiny", free_port, "--end", "0.3").model_copy(
        update={"ready_url": "http://127.0.0.1:9/never"}
    )

    with pytest.raises(TemporaryError, match="tiny server says hello"):
        supervised.ensure(spec, ready_within_seconds=2.0)


def test_a_server_that_ends_again_and_again_is_not_waited_for(supervised, make, free_port):
    """Five ends in a row are the answer; the caller's patience is not used up."""
    spec = make("tiny", free_port, "--end", "0.3").model_copy(
        update={"ready_url": "http://127.0.0.1:9/never"}
    )

    with pytest.raises(TemporaryError, match="tiny server says hello"):
        supervised.ensure(spec, ready_within_seconds=100_000)


def test_a_taken_port_is_named_with_its_holder_and_nothing_starts(supervised, tiny, free_port):
    """One clear error: which port, of what, held by whom."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", free_port))
        holder.listen()

        with pytest.raises(InvalidInputError) as caught:
            supervised.ensure(tiny, ready_within_seconds=SECONDS)

    assert str(caught.value).startswith(
        f"port {free_port} of tiny: taken by process {os.getpid()} ({psutil.Process().name()})"
    )
    assert supervised.status("tiny").state == "stopped"


def test_without_a_supervisor_nothing_is_promised(state, tiny):
    """A spec that nobody would act on is refused, not left to time out."""
    with pytest.raises(UnreachableError, match="no supervisor runs"):
        Processes(state).ensure(tiny, ready_within_seconds=SECONDS)


def test_a_name_that_is_no_label_is_refused(supervised, tiny):
    """A name cannot reach outside the folder of specs."""
    with pytest.raises(InvalidInputError, match="DNS label"):
        supervised.ensure(tiny.model_copy(update={"name": "../escape"}), ready_within_seconds=SECONDS)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_full_state_directory_is_one_clear_error(tmp_path, tiny):
    """No room for the spec: said so, with a remedy, and the server is not started."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], check=True)
    with contextlib.ExitStack() as stack:
        stack.callback(subprocess.run, ["umount", small], check=True)
        stack.enter_context(tethered(State(small)))
        with contextlib.suppress(OSError):
            (small / "filler").write_bytes(b"x" * 2**20)

        with pytest.raises(RefusedError, match="no room left on the device"):
            Processes(State(small)).ensure(tiny, ready_within_seconds=SECONDS)


def _of(servers: Processes, name: str) -> list[psutil.Process]:
    return marks.marked(marks.lab_id(servers._state.root), name)
