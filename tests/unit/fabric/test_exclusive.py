import fcntl
import multiprocessing
import os
import subprocess
import time
from pathlib import Path

import pytest

from turnout.domain.errors import RefusedError
from turnout.fabric.exclusive import exclusively, locked


def _hold(file: Path, holder: str, seconds: float, taken: Path) -> None:
    with exclusively(file, holder, wait_seconds=5):
        taken.touch()
        time.sleep(seconds)
        taken.with_name("left").touch()


def _held(tmp_path: Path, holder: str, seconds: float) -> multiprocessing.Process:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_hold, args=(tmp_path / "lock", holder, seconds, tmp_path / "taken"))
    process.start()
    deadline = time.monotonic() + 20
    while not (tmp_path / "taken").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return process


def test_a_second_holder_is_refused_and_told_whose_it_is(tmp_path: Path):
    """Two runs of one model do not fight; the second says which run has it."""
    process = _held(tmp_path, "run 1", 60)
    with (
        pytest.raises(RefusedError, match="run 1"),
        exclusively(tmp_path / "lock", "run 2", wait_seconds=0.3),
    ):
        pass
    process.kill()
    process.join()
    with exclusively(tmp_path / "lock", "run 2", wait_seconds=5):
        assert (tmp_path / "lock").read_text() == "run 2"


def test_the_remains_of_the_same_run_are_waited_for(tmp_path: Path):
    """A run that was started again waits until its earlier process has ended, beyond the limit for others."""
    process = _held(tmp_path, "run 1", 1.5)
    with exclusively(tmp_path / "lock", "run 1", wait_seconds=0):
        assert (tmp_path / "left").exists()
    process.join()
    assert process.exitcode == 0


def _is_free(file: Path, how: int) -> bool:
    """Whether another process would get the lock: it belongs to whoever opened the file."""
    handle = os.open(file, os.O_RDWR)
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def test_who_looks_shares_with_others_who_look_and_with_nobody_who_makes(tmp_path: Path):
    """A node that takes images waits for who unpacks them, and not for another node."""
    file = tmp_path / "cache" / "lock"  # its folder is made, too
    with locked(file, shared=True):
        assert _is_free(file, fcntl.LOCK_SH)
        assert not _is_free(file, fcntl.LOCK_EX)
    with locked(file):
        assert not _is_free(file, fcntl.LOCK_SH)
    assert _is_free(file, fcntl.LOCK_EX)


def test_who_makes_is_waited_for_and_that_is_said_once(tmp_path: Path):
    """The second one is told that it waits, and has it when the first one has left."""
    process, told = _held(tmp_path, "run 1", 1.0), []

    with locked(tmp_path / "lock", waiting=lambda: told.append("waiting")):
        assert (tmp_path / "left").exists()

    process.join()
    assert told == ["waiting"]


def test_a_process_that_it_is_handed_to_holds_it_too(tmp_path: Path):
    """A compiler whose caller was killed keeps others out until it has ended."""
    file = tmp_path / "lock"
    with locked(file) as handle:
        compiler = subprocess.Popen(["sleep", "60"], pass_fds=(handle,))
    try:
        assert not _is_free(file, fcntl.LOCK_EX)
    finally:
        compiler.kill()
        compiler.wait()
    assert _is_free(file, fcntl.LOCK_EX)
