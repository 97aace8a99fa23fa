"""What every level shares. Unit tests cannot open sockets; real servers belong to the levels above."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_socket
from hypothesis import settings

from turnout.fabric import ports
from turnout.fabric.processes import Processes
from turnout.fabric.state import State
from turnout.fabric.tether import tethered

HERE = Path(__file__).parent

# A deadline tells of the machine: on loaded cores a pause of a second failed tests that take a millisecond.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _unit_tests_open_no_sockets(request: pytest.FixtureRequest) -> Iterator[None]:
    """Refuse sockets below tests/unit; pairs within the process stay, event loops are made of them."""
    if not request.path.is_relative_to(HERE / "unit"):
        yield
        return
    pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()


@pytest.fixture
def free_port() -> int:
    """A port that nobody has."""
    return ports.pick()


@pytest.fixture
def state(tmp_path: Path) -> State:
    """An empty state directory."""
    return State(tmp_path / "state")


@pytest.fixture
def supervised(state: State) -> Iterator[Processes]:
    """Servers under a real supervisor; all of them end with the test, and with a test that is killed."""
    with tethered(state):
        yield Processes(state)
