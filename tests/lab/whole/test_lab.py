import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.waiting import until
from turnout.fabric import marks, ports
from turnout.fabric.processes import Processes
from turnout.fabric.state import State
from turnout.lab import estate, traffic
from turnout.lab.lab_ports import remembered
from turnout.settings import Settings

pytestmark = pytest.mark.timeout(600)
"""Whichever test is first waits for the whole lab."""


def test_every_process_is_ready(lab: Settings, turnout: Callable[..., Any]):
    """`status` shows each process with its pid and port, and says by its exit status that all are ready."""
    status = turnout("lab", "status", "--state", lab.state)

    assert status.returncode == 0, status.stdout
    rows = [line.split() for line in status.stdout.splitlines()[1:]]
    assert {row[0] for row in rows} >= {
        "client", "envoy", "mlflow", "prefect", "prefect-worker", "ray", "sentinel", "shadow",
        "legacy-iris", "legacy-diabetes", "legacy-cancer",
    }  # fmt: skip
    assert {row[1] for row in rows} == {"ready"}


def test_every_part_answers_where_the_settings_say(lab: Settings):
    """Each address in the settings is that of the real server."""
    assert httpx.get(f"{lab.prefect_api}/health").json() is True
    assert httpx.get(f"{lab.mlflow}/health").text == "OK"
    assert httpx.get(f"{lab.sentinel}/armed/iris-1").status_code == 503
    assert httpx.get(f"{lab.envoy_admin}/ready").text == "LIVE\n"
    assert httpx.get(f"{lab.ray_serve}/-/routes").status_code in {200, 503}  # 503 until there is a route
    serve = httpx.get(f"{lab.ray_dashboard}/api/serve/applications/", timeout=30).json()
    assert f"http://127.0.0.1:{serve['http_options']['port']}" == lab.ray_serve
    with socket.create_connection(("127.0.0.1", lab.shadow_port), timeout=5):
        pass


def test_the_clients_of_every_model_are_answered(lab: Settings):
    """Through the router, from the legacy servers, in either protocol: no request fails."""
    for model in estate.models(estate.Portfolio.QUICK):
        found = _recorded(State(lab.state), model.name, 20)
        assert [record["error"] for record in found if not record["ok"]] == []


def test_the_flows_are_deployed(lab: Settings):
    """A migration can be started from Prefect, and there is a worker to run it."""
    known = httpx.post(f"{lab.prefect_api}/deployments/filter", json={}).json()
    assert "flows.migrate.migrate" in {deployment["entrypoint"] for deployment in known}
    pools = {deployment["work_pool_name"] for deployment in known}
    [pool] = pools
    # The lab is up when its worker runs; it then has to find its pool.
    workers = until(lambda: _workers(lab, pool), "a worker in the pool")
    assert [worker["status"] for worker in workers] == ["ONLINE"]


def _workers(lab: Settings, pool: str) -> list[dict[str, Any]]:
    return httpx.post(f"{lab.prefect_api}/work_pools/{pool}/workers/filter", json={}).json()


def test_a_second_start_is_refused(lab: Settings, turnout: Callable[..., Any]):
    """`up` on a lab that is up says so and disturbs nothing."""
    before = Processes(State(lab.state)).status("envoy")

    again = turnout("lab", "up", "--state", lab.state)

    assert again.returncode == 1
    assert "up already" in again.stderr
    assert Processes(State(lab.state)).status("envoy") == before


def test_a_killed_worker_is_started_again(lab: Settings):
    """No process of the lab is trusted to live: what dies comes back."""
    servers = Processes(State(lab.state))
    before = servers.status("prefect-worker")
    assert before.pid is not None

    os.kill(before.pid, signal.SIGKILL)

    def is_back() -> bool:
        now = servers.status("prefect-worker")
        return now.restarts > before.restarts and now.state == "ready"

    until(is_back, "the worker is back")


def test_a_start_that_is_killed_leaves_nothing(
    starting: Callable[..., Any], turnout: Callable[..., Any], tmp_path: Path
):
    """Kill -9 of `up` half-way: no server, no installer, no training lives on."""
    lab_id = marks.lab_id(tmp_path)
    up = starting("lab", "up", "--state", tmp_path)

    def is_half_way() -> bool:
        assert up.poll() is None
        return {"ray", "prefect", "mlflow"} <= {marks.server_of(p) for p in marks.marked(lab_id)}

    until(is_half_way, "three servers are starting")

    up.kill()

    until(lambda: not marks.marked(lab_id), "everything has ended")
    assert turnout("lab", "down", "--state", tmp_path).stdout == "No lab was up.\n"


def test_a_start_that_is_interrupted_ends_what_it_started(starting: Callable[..., Any], tmp_path: Path):
    """SIGTERM of `up` half-way: it ends with everything that it started."""
    lab_id = marks.lab_id(tmp_path)
    up = starting("lab", "up", "--state", tmp_path)
    until(lambda: "mlflow" in {marks.server_of(p) for p in marks.marked(lab_id)}, "MLflow is starting")

    up.terminate()

    assert up.wait(60) == 128 + signal.SIGTERM
    assert marks.marked(lab_id) == []


def test_a_taken_port_is_one_clear_error(turnout: Callable[..., Any], tmp_path: Path):
    """The message names port, part and holder; nothing is left running."""
    port = ports.pick()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", port))
        holder.listen()

        up = turnout("lab", "up", "--state", tmp_path, "--port", f"mlflow={port}")

    assert up.returncode == 2
    assert up.stderr.startswith(f"error: port {port} of mlflow: taken by process {os.getpid()} ")
    assert marks.marked(marks.lab_id(tmp_path)) == []


@pytest.mark.parametrize("name", ["mlfow", ""])
def test_a_port_of_a_part_that_does_not_exist_is_refused(
    turnout: Callable[..., Any], tmp_path: Path, name: str
):
    """A misspelt part is an error, never passed over."""
    up = turnout("lab", "up", "--state", tmp_path, "--port", f"{name}=5000")

    assert up.returncode == 2
    assert up.stderr.startswith(f"error: port name {name}: unknown")
    assert up.stderr.count("\n") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_state_directory_without_room_is_one_clear_error(turnout: Callable[..., Any], tmp_path: Path):
    """A small file system is refused before anything is written or started."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], check=True)
    try:
        up = turnout("lab", "up", "--state", tmp_path / "state")
        written = [path for path in tmp_path.rglob("*") if path.is_file()]
    finally:
        subprocess.run(["umount", tmp_path], check=True)

    assert up.returncode == 1
    assert "1.0 MiB free; expected at least 256 MiB" in up.stderr
    assert written == []


def test_taking_down_what_is_not_up_is_harmless(turnout: Callable[..., Any], tmp_path: Path):
    """`down` twice is no error."""
    down = turnout("lab", "down", "--state", tmp_path)

    assert (down.returncode, down.stdout) == (0, "No lab was up.\n")


def test_clients_are_told_where_to_call(lab: Settings):
    """The addresses that `up` prints are those that the router listens on."""
    for url in traffic.addresses(estate.laid_out(State(lab.state)), remembered(lab.state)).values():
        assert "envoy" in ports.holder(httpx.URL(url).port or 0)


def _recorded(state: State, model: str, count: int) -> list[dict[str, Any]]:
    file = state.client(model)
    until(lambda: file.exists() and file.read_bytes().count(b"\n") >= count, "a client that has just begun")
    return [json.loads(line) for line in file.read_text().splitlines()[:count]]


def test_every_public_page_is_linked_from_the_report(
    lab: Settings, turnout: Callable[..., Any], tmp_path: Path
):
    """Prefect, MLflow, Ray and the Data Docs: each answers in a lab that is up, and is linked to."""
    written = turnout("report", "--state", lab.state, "--out", tmp_path)
    assert written.returncode == 0, written.stderr
    page = (tmp_path / "report.html").read_text()
    for name, url in (
        ("Prefect", lab.prefect_ui), ("MLflow", lab.mlflow), ("Ray", lab.ray_dashboard),
        ("Data Docs", lab.data_docs),
    ):  # fmt: skip
        assert url
        assert f'href="{url}">{name}</a>' in page
