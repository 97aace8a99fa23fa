"""Prefect and MLflow as the lab runs them: on loopback, on SQLite, telling nobody."""

from turnout.domain.server import ServerSpec
from turnout.fabric.state import State

PREFECT = "prefect"
WORKER = "prefect-worker"
TENDER = "prefect-tender"
MLFLOW = "mlflow"
DATA_DOCS = "data-docs"
POOL = "turnout"
HEARTBEAT_SECONDS = 30
"""Between two signs of life of a flow run: the shortest that Prefect allows."""
_SILENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def prefect_variables(state: State, ports: dict[str, int]) -> dict[str, str]:
    """What makes a process a client of this lab's Prefect, and of no other."""
    return {
        **_SILENT,
        "PREFECT_HOME": str(state.root / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{ports['prefect']}/api",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
    }


def prefect(state: State, ports: dict[str, int]) -> ServerSpec:
    """Prefect's server with its pages."""
    port = ports["prefect"]
    variables = {k: v for k, v in prefect_variables(state, ports).items() if k != "PREFECT_API_URL"}
    variables["PREFECT_SERVER_UI_API_URL"] = f"http://127.0.0.1:{port}/api"  # else the pages ask port 4200
    command = ("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--analytics-off")
    return ServerSpec(
        name=PREFECT, environment="core", command=command, env=variables, ports=(port,),
        ready_url=f"http://127.0.0.1:{port}/api/health",
    )  # fmt: skip


def worker(state: State, ports: dict[str, int]) -> ServerSpec:
    """The worker that runs flows as processes.

    Without `--limit`: a run that is resumed before its last process was cleared away would borrow the same
    token twice, which ends Prefect 3.8's worker and with it every run that it holds.
    """
    command = (
        "prefect", "worker", "start", "--pool", POOL, "--type", "process", "--name", "lab",
        "--install-policy", "never", "--no-create-pool-if-not-found",
    )  # fmt: skip
    polling = {"PREFECT_WORKER_QUERY_SECONDS": "2", "PREFECT_WORKER_HEARTBEAT_SECONDS": "10"}
    return ServerSpec(
        name=WORKER, environment="core", command=command, env={**prefect_variables(state, ports), **polling}
    )


def tender(state: State, ports: dict[str, int]) -> ServerSpec:
    """What starts crashed migrations again where Prefect has lost the event."""
    command = ("python", "-m", "flows.tend")
    return ServerSpec(name=TENDER, environment="core", command=command, env=prefect_variables(state, ports))


def mlflow(state: State, ports: dict[str, int]) -> ServerSpec:
    """MLflow's tracking server and registry."""
    port = ports["mlflow"]
    folder = state.root / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    command = (
        "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination", str(folder / "artifacts"),
        "--allowed-hosts", "localhost:*,127.0.0.1:*",  # any other Host header gets 403
    )  # fmt: skip
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # else seven job consumers idle along
    return ServerSpec(
        name=MLFLOW, environment="core", command=command, env={**_SILENT, **quiet}, ports=(port,),
        ready_url=f"http://127.0.0.1:{port}/health",
    )  # fmt: skip


def data_docs(state: State, ports: dict[str, int]) -> ServerSpec:
    """Great Expectations' pages, which gates and the report link to: files, served as they are."""
    port = ports["data-docs"]
    state.data_docs.mkdir(parents=True, exist_ok=True)
    command = (
        "python", "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(state.data_docs),
    )  # fmt: skip
    return ServerSpec(
        name=DATA_DOCS, environment="core", command=command, ports=(port,),
        ready_url=f"http://127.0.0.1:{port}/",
    )  # fmt: skip
