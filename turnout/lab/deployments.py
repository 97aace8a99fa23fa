"""Makes the flows known to the lab's Prefect: work pool, deployments, and what finds crashed runs."""

import json
import os
import subprocess
import sys

import httpx

from turnout.domain.errors import NotFoundError, PermanentError, UnreachableError
from turnout.fabric import environments, marks
from turnout.fabric.state import State
from turnout.lab import control_plane

_LONGEST_SECONDS = 240


def deploy(state: State, ports: dict[str, int]) -> None:
    """Make work pool, deployments and automations what the checkout says; harmless when they are.

    Raises:
        NotFoundError: The checkout has no prefect.yaml.
        PermanentError: Prefect refused; the message ends with its last lines.
        UnreachableError: Prefect's server does not answer.
    """
    _pool(ports)
    root = environments.project_root()
    if not (root / "prefect.yaml").is_file():
        raise NotFoundError(
            "deployments", observed=f"no {root / 'prefect.yaml'}", limit="the project's deployments",
            remedy="Set TURNOUT_ROOT to the checkout.",
        )  # fmt: skip
    _run("prefect deploy", ["-m", "prefect", "--no-prompt", "deploy", "--all"], state, ports)
    if (root / "flows" / "automations.py").is_file():
        _run("automations", ["-m", "flows.automations"], state, ports)


def _pool(ports: dict[str, int]) -> None:
    template = environments.project_root() / "deployments" / "work_pools" / "lab.json"
    pool = {
        "name": control_plane.POOL, "type": "process",
        "description": "Flow runs as processes of the lab.",
        "base_job_template": json.loads(template.read_text()),
    }  # fmt: skip
    url = f"http://127.0.0.1:{ports['prefect']}/api/work_pools/"
    try:
        answer = httpx.post(url, json=pool, timeout=30, trust_env=False)
        if answer.status_code != httpx.codes.CONFLICT:  # it is there already
            answer.raise_for_status()
    except httpx.HTTPError as error:
        raise UnreachableError(
            "Prefect's work pool", observed=f"{type(error).__name__}: {error}", limit="a created work pool",
            remedy="See the lab's logs/prefect.log.",
        ) from error  # fmt: skip


def _run(what: str, arguments: list[str], state: State, ports: dict[str, int]) -> None:
    root = environments.project_root()
    done = subprocess.run(
        [sys.executable, *arguments], cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=_LONGEST_SECONDS, check=False,
        env={
            **os.environ, **control_plane.prefect_variables(state, ports), "TURNOUT_ROOT": str(root),
            "TURNOUT_SETTINGS": str(state.settings_file), "PYTHONPATH": str(root),
            **marks.marks(marks.lab_id(state.root), "up"),
        },
    )  # fmt: skip
    if done.returncode != 0:
        last = " | ".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise PermanentError(
            what, observed=f"status {done.returncode}: {last}", limit="status 0",
            remedy="Look at that message.",
        )  # fmt: skip
