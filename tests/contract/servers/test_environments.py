import hashlib
import os
import subprocess
import sys
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from turnout.domain.errors import NotFoundError, TemporaryError
from turnout.fabric import environments


def wheel(folder: Path) -> Path:
    """A package `tiny`, as a wheel."""
    file = folder / "tiny-1.0-py3-none-any.whl"
    info = "tiny-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("tiny.py", "ANSWER = 42\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"tiny.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return file


def lock(root: Path, digest: str | None = None) -> None:
    """A project with a lock `tiny` that needs no network."""
    file = wheel(root)
    digest = digest or hashlib.sha256(file.read_bytes()).hexdigest()
    (root / "locks").mkdir(exist_ok=True)
    (root / "locks" / "tiny.txt").write_text(f"tiny @ {file.as_uri()} --hash=sha256:{digest}\n")


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own, with a cache of its own."""
    uv = environments.find_uv()
    monkeypatch.setenv("TURNOUT_UV", uv)
    monkeypatch.setenv("TURNOUT_ROOT", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lock(tmp_path)
    return tmp_path


def test_a_lock_becomes_an_environment_that_holds_it():
    """What the lock names can be imported in the environment, and the caller is told of the progress."""
    lines: list[str] = []

    home = environments.ensure("tiny", lines.append)

    program = "import tiny; print(tiny.ANSWER)"
    done = subprocess.run([home / "bin/python", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "42\n"
    assert lines[0] == "tiny: installing 1 packages"
    assert lines[-1] == "tiny: installed"


def test_a_complete_environment_is_used_as_it_is(root: Path, monkeypatch: pytest.MonkeyPatch):
    """The second call installs nothing: it works without an installer."""
    home = environments.ensure("tiny")
    monkeypatch.setenv("TURNOUT_UV", str(root / "no-such-uv"))

    assert environments.ensure("tiny") == home


def test_a_half_built_environment_is_built_again():
    """What an installer that was killed left behind is not mistaken for an environment."""
    home = environments.ensure("tiny")
    (home / environments.COMPLETE).unlink()
    (home / "bin" / "python").unlink()

    assert environments.installed("tiny") is None
    assert environments.ensure("tiny") == home
    assert (home / "bin" / "python").exists()


def test_another_lock_is_another_environment(root: Path):
    """A changed lock never changes an environment that something may be running in."""
    before = environments.ensure("tiny")
    file = root / "locks" / "tiny.txt"
    file.write_text(f"# changed\n{file.read_text()}")

    assert environments.ensure("tiny") != before
    assert before.is_dir()


def test_callers_at_the_same_time_build_once():
    """Parallel callers get the same environment, built by one of them."""
    lines: list[str] = []
    with ThreadPoolExecutor(4) as pool:
        homes = list(pool.map(lambda _: environments.ensure("tiny", lines.append), range(4)))

    assert len(set(homes)) == 1
    assert lines.count("tiny: installed") == 1


def test_a_package_that_does_not_match_its_hash_is_refused(root: Path):
    """Nothing but what the lock pins is installed, and a failed environment does not count as one."""
    lock(root, digest="0" * 64)

    with pytest.raises(TemporaryError, match="environment tiny: uv ended with status"):
        environments.ensure("tiny")
    assert environments.installed("tiny") is None


def test_an_unknown_environment_names_those_that_there_are():
    """A misspelt name is answered with the right ones."""
    with pytest.raises(NotFoundError, match="one of tiny"):
        environments.ensure("tny")


def test_core_is_the_running_interpreters_own():
    """The controlling process needs no second environment."""
    assert environments.ensure("core") == Path(sys.prefix)


def test_an_installer_whose_caller_was_killed_keeps_others_out(root: Path):
    """Two installers never write into the same directory, even when the first one's caller is gone."""
    slow, started = root / "slow-uv", root / "started"
    slow.write_text(f"#!/bin/sh\ntouch {started}\nexec sleep 1.5\n")
    slow.chmod(0o755)
    program = "from turnout.fabric import environments; environments.ensure('tiny')"
    command = [sys.executable, "-c", program]
    variables = {**os.environ, "TURNOUT_UV": str(slow), "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(command, env=variables) as caller:
        while not started.exists():
            assert caller.poll() is None
            time.sleep(0.02)
        caller.kill()

    lines: list[str] = []
    waiting = threading.Thread(target=environments.ensure, args=("tiny", lines.append))
    waiting.start()
    waiting.join(0.2)
    assert lines == ["tiny: another process installs it, waiting"]
    waiting.join()
    assert lines[-1] == "tiny: installed"
