"""The lab's Ray: one head node, and Ray Serve with its HTTP proxy on the lab's port."""

import contextlib
import tempfile
import time
from pathlib import Path

import httpx

from turnout.domain.errors import UnreachableError
from turnout.domain.server import Servers, ServerSpec
from turnout.fabric import marks
from turnout.fabric.state import State

NAME = "ray"
LOGICAL_CPUS = 8
"""What Ray believes it has: placement counts logical CPUs, and the lab's actors are mostly idle."""
OBJECT_STORE_BYTES = 100 * 2**20
"""Nothing large passes through the lab's object store."""
_VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # As Ray does where the user has no token: nobody in the lab sends one, and one that another Ray once
    # left in the home would turn it on. Ray's own ports are then open to whoever reaches this machine.
    "RAY_AUTH_MODE": "disabled",
    # Ray gives its workers a nice value of 15, which leaves room for its own processes. Here workers answer
    # clients, beside everything else of the lab: at 15 they would get next to nothing of a busy machine.
    "RAY_worker_niceness": "0",
    "RAY_memory_monitor_refresh_ms": "0",  # it would end actors for memory that other servers use
    "RAY_enable_metrics_collection": "0",
    "RAY_prestart_worker_first_driver": "0",  # else eight workers, one a logical CPU, load and idle
    "RAY_SERVE_LOG_TO_STDERR": "0",
}


def short_directory(state: State) -> Path:
    """A short name for Ray's files: its Unix sockets allow 107 bytes, most of which Ray itself needs."""
    return Path(tempfile.gettempdir()) / f"turnout-{marks.lab_id(state.root)[:8]}"


def spec(state: State, ports: dict[str, int]) -> ServerSpec:
    """The head node's server; its files lie below the state directory, behind a short link."""
    _link(state)
    command = (
        "ray", "start", "--head", "--block", "--disable-usage-stats", "--include-log-monitor", "false",
        "--log-style", "record", "--node-ip-address", "127.0.0.1",
        "--num-cpus", str(LOGICAL_CPUS), "--object-store-memory", str(OBJECT_STORE_BYTES),
        "--temp-dir", str(short_directory(state)), "--dashboard-host", "127.0.0.1",
        *_port_options(ports),
    )  # fmt: skip
    used = tuple(port for name, port in ports.items() if name.startswith("ray-"))
    return ServerSpec(
        name=NAME, environment="core", command=command, env=_VARIABLES, ports=used, stop_seconds=8.0,
        ready_url=f"http://127.0.0.1:{ports['ray-dashboard']}/api/version",
    )  # fmt: skip


def start_serve(servers: Servers, ports: dict[str, int], *, within_seconds: float) -> None:
    """Start Ray Serve without applications; applications are put later with the same HTTP options.

    Asked again until it is taken: the dashboard answers before the node is complete, and a node that was not
    complete in Ray's own 30 s ends and is started again.

    Args:
        servers: Where the head node runs; without it nothing is waited for.
        ports: The lab's ports.
        within_seconds: Longest that it may take.

    Raises:
        UnreachableError: Ray did not take it in time.
    """
    url = f"http://127.0.0.1:{ports['ray-dashboard']}/api/serve/applications/"
    options = {"host": "127.0.0.1", "port": ports["ray-serve"]}
    document = {"proxy_location": "HeadOnly", "http_options": options, "applications": []}
    until = time.monotonic() + within_seconds
    while True:
        try:
            answer = httpx.put(url, json=document, timeout=within_seconds, trust_env=False)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            gone = servers.status(NAME).state in {"unknown", "stopped"}
            if gone or time.monotonic() > until:
                raise UnreachableError(
                    "Ray Serve",
                    observed=f"{type(error).__name__}: {error}",
                    limit=f"a started Ray Serve within {within_seconds:g} s",
                    remedy="See the lab's logs/ray.log.",
                ) from error
            time.sleep(1)
        else:
            return


def clear(state: State) -> None:
    """Remove the short link."""
    with contextlib.suppress(OSError):
        short_directory(state).unlink(missing_ok=True)


def _link(state: State) -> None:
    target = state.root / "ray"
    target.mkdir(parents=True, exist_ok=True)
    link = short_directory(state)
    if not link.is_symlink() or link.readlink() != target:
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def _port_options(ports: dict[str, int]) -> list[str]:
    options = {
        "--port": "ray-gcs", "--dashboard-port": "ray-dashboard", "--ray-client-server-port": "ray-client",
        "--dashboard-agent-listen-port": "ray-agent", "--dashboard-agent-grpc-port": "ray-agent-grpc",
        "--runtime-env-agent-port": "ray-runtime-env", "--object-manager-port": "ray-object-manager",
        "--node-manager-port": "ray-node-manager", "--metrics-export-port": "ray-metrics",
    }  # fmt: skip
    return [word for option, name in options.items() for word in (option, str(ports[name]))]
