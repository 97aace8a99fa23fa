"""Real servers, as tiny as they can be."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil
import pytest

from turnout.domain.server import ServerSpec
from turnout.fabric.processes import Processes, known
from turnout.fabric.state import State
from turnout.fabric.tether import tethered

TINY = Path(__file__).with_name("tiny.py")


@pytest.fixture
def tiny(free_port: int) -> ServerSpec:
    """A server that answers 200."""
    return tiny_spec("tiny", free_port)


def tiny_spec(name: str, port: int, *options: str, **changes: object) -> ServerSpec:
    """A tiny server's spec."""
    spec = ServerSpec(
        name=name,
        environment="core",
        command=("python", str(TINY), str(port), *options),
        ready_url=f"http://127.0.0.1:{port}/",
        ports=(port,),
        stop_seconds=2.0,
    )
    return spec.model_copy(update=changes)


@pytest.fixture
def make() -> Callable[..., ServerSpec]:
    """Makes specs of tiny servers."""
    return tiny_spec


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """One supervisor for a whole module."""
    state = State(tmp_path_factory.mktemp("shared"))
    with tethered(state):
        yield Processes(state)


@pytest.fixture
def supervised(shared: Processes) -> Iterator[Processes]:
    """Servers under a real supervisor; none is left over for the next test."""
    yield shared
    for name in known(shared._state):
        shared.stop(name)


@pytest.fixture
def living() -> Callable[[Iterable[int]], set[int]]:
    """Which of some processes still live; one that only waits to be reaped by its parent does not."""

    def of(pids: Iterable[int]) -> set[int]:
        return {pid for pid in pids if _lives(pid)}

    return of


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
