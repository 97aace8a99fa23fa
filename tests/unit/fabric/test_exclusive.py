import multiprocessing
import time
from pathlib import Path

import pytest

from turnout.domain.errors import RefusedError
from turnout.fabric.exclusive import exclusively


def _hold(file: Path, holder: str, seconds: float, taken: Path) -> None:
    with exclusively(file, holder, wait_seconds=5):
        taken.touch()
        time.sleep(seconds)


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
        assert not process.is_alive() or process.exitcode in (None, 0)
    process.join()
    assert process.exitcode == 0
