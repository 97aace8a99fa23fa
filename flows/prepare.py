"""Makes the flows known to a cluster's Prefect: work pool, deployments, automations; harmless when they are.

`python -m flows.prepare`, before the worker starts and from the same image: so what runs is what the image
holds. `$TURNOUT_WORK_POOL` says how flows run: `kubernetes`, each as a Job, or `process`, within the worker.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectAlreadyExists

from flows import automations
from turnout.domain.errors import PermanentError
from turnout.fabric import environments
from turnout.fabric.kubernetes.apply import Applier

POOL = "turnout"
KUBERNETES = "kubernetes"
_TEMPLATES = {KUBERNETES: "kubernetes.json", "process": "lab.json"}
_LONGEST_SECONDS = 300


def template(kind: str, image: str | None) -> dict[str, Any]:
    """How a run of the pool is started: the job template of the checkout, with the worker's own image.

    Args:
        kind: `kubernetes` or `process`.
        image: What Jobs run; None for processes.
    """
    folder = environments.project_root() / "deployments" / "work_pools"
    found: dict[str, Any] = json.loads((folder / _TEMPLATES[kind]).read_text())
    if image is not None:
        found["variables"]["properties"]["image"]["default"] = image
    return found


def own_image() -> str:
    """The image of this pod, as the API server has it: a user's overlay may have named another."""
    space, name = os.environ["POD_NAMESPACE"], os.environ["POD_NAME"]
    with Applier() as api:
        pod = api.call("GET", f"/api/v1/namespaces/{space}/pods/{name}", named=f"pod {name}")
    image: str = pod["spec"]["containers"][0]["image"]
    return image


def make_pool(kind: str, image: str | None) -> None:
    """Make the work pool, or bring its job template up to date."""
    wanted = template(kind, image)
    with get_client(sync_client=True) as client:
        try:
            client.create_work_pool(WorkPoolCreate(name=POOL, type=kind, base_job_template=wanted))
        except ObjectAlreadyExists:  # only its template: a pool that a person has paused stays paused
            client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=wanted))


def deploy(root: Path) -> None:
    """Make every deployment of prefect.yaml.

    Raises:
        PermanentError: Prefect refused; the message ends with its last lines.
    """
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"], cwd=root, check=False,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LONGEST_SECONDS,
        env={**os.environ, "TURNOUT_ROOT": str(root)},
    )  # fmt: skip
    if done.returncode != 0:
        raise PermanentError(
            "prefect deploy", limit="status 0", remedy="Look at that message.",
            observed=f"status {done.returncode}: "
            + " | ".join((done.stdout + done.stderr).strip().splitlines()[-8:]),
        )  # fmt: skip


def main() -> None:
    """Pool, deployments, automations."""
    kind = os.environ.get("TURNOUT_WORK_POOL", KUBERNETES)
    make_pool(kind, own_image() if kind == KUBERNETES else None)
    deploy(environments.project_root())
    automations.register(automations.automations())


if __name__ == "__main__":
    main()
