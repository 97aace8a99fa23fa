"""A real Prefect server with a process that serves the flows of `gated.py`."""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State as RunState
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.waiting import until
from turnout.domain.server import ServerSpec
from turnout.fabric import ports
from turnout.fabric.processes import Processes
from turnout.fabric.state import State
from turnout.fabric.tether import tethered

HERE = Path(__file__).parent
ROOT = Path(__file__).parents[3]
QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


@dataclass
class Served:
    """What a test needs of the server."""

    client: SyncPrefectClient

    def start(self, name: str, root: Path) -> UUID:
        """Start a run of a served flow, its state under `root`."""
        deployment = self.client.read_deployment_by_name(f"{name}/turnout")
        parameters = {"root": str(root)}
        return self.client.create_flow_run_from_deployment(deployment.id, parameters=parameters).id

    def state(self, run: UUID) -> RunState:
        """How a run stands."""
        state = self.client.read_flow_run(run).state
        assert state is not None
        return state

    def wait(self, what: Callable[[], bool], seconds: float = 90) -> None:
        """Wait until something is so."""
        until(what, "it comes to be", seconds)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the flows; everything ends with the tests."""
    root = tmp_path_factory.mktemp("gates")
    state, port = State(root / "lab"), ports.pick()
    home = {"PREFECT_HOME": str(root / "prefect"), **QUIET}
    api = {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api", "PYTHONPATH": str(ROOT)}
    server = ServerSpec(
        name="prefect",
        environment="core",
        command=("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)),
        env=home | {"PREFECT_SERVER_UI_ENABLED": "false"},
        ready_url=f"http://127.0.0.1:{port}/api/health",
        ports=(port,),
    )
    runner = ServerSpec(
        name="runner",
        environment="core",
        command=("python", str(HERE / "gated.py")),
        env=home | api | {"PREFECT_RUNNER_POLL_FREQUENCY": "1"},
    )
    with tethered(state), temporary_settings({PREFECT_API_URL: api["PREFECT_API_URL"]}):
        servers = Processes(state)
        servers.ensure(server, ready_within_seconds=180)
        servers.ensure(runner, ready_within_seconds=90)
        with get_client(sync_client=True) as client:
            found = Served(client=client)
            found.wait(lambda: len(client.read_deployments()) == 3)
            yield found


@pytest.fixture(scope="session")
def gated():
    """The module that is served, loaded here to look at the same state."""
    spec = importlib.util.spec_from_file_location("gated", HERE / "gated.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
