"""One whole lab for all tests of this level: it comes up once, and has to go down without a trace."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from turnout import settings
from turnout.fabric import marks
from turnout.fabric.state import State
from turnout.settings import VARIABLE, Settings
from turnout.wiring.migrating import Wiring

ROOT = Path(__file__).parents[3]
RATE = 20.0
"""Requests a second and model."""

Turnout = Callable[..., subprocess.CompletedProcess[str]]


def _command(arguments: tuple[str | Path, ...]) -> list[str]:
    return [sys.executable, "-m", "turnout", *map(str, arguments)]


def _variables() -> dict[str, str]:
    """What the command needs without being installed."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the migration last, whatever the order of the others: it takes Prefect and MLflow down for good."""
    items.sort(key=lambda item: item.path == Path(__file__).with_name("test_migration.py"))


@pytest.fixture(scope="session")
def turnout() -> Turnout:
    """Runs `turnout`, its output kept."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            _command(arguments), env=_variables(), capture_output=True, text=True, check=False, timeout=540
        )

    return run


@pytest.fixture
def starting() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts `turnout` and does not wait for it."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str | Path) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(_command(arguments), env=_variables(), stdout=subprocess.DEVNULL)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def lab(turnout: Turnout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A lab that is up, with its client calling; nothing of it may live on."""
    root = tmp_path_factory.mktemp("lab")
    try:
        up = turnout("lab", "up", "--state", root, "--rate", str(RATE))
        assert up.returncode == 0, up.stdout + up.stderr
        yield settings.load(root / "turnout.yaml")
    finally:
        down = turnout("lab", "down", "--state", root)
    assert (down.returncode, down.stdout) == (0, "The lab is down.\n"), down.stderr
    assert marks.marked(marks.lab_id(root)) == []


@pytest.fixture
def wiring(lab: Settings, monkeypatch: pytest.MonkeyPatch) -> Wiring:
    """Adapters of the lab, its owners enrolled."""
    monkeypatch.setenv("PREFECT_API_URL", lab.prefect_api)
    monkeypatch.setenv(VARIABLE, str(State(lab.state).settings_file))
    built = Wiring(lab)
    for owner in built.owners.all():
        built.owners.enrol(owner)
    return built
