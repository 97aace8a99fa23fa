"""The walk of docs/kubernetes.md, from an empty cluster to a first shadow test and back, as it stands there.

Its commands are read from the page itself and run in order. Only the values are the test's own, and the
images: no cloud and no registry is at hand, so the lab's overlay takes the place of a cloud's.
"""

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.cluster import shipped
from tests.cluster.node.kserve_models import runtime, served, service
from tests.cluster.node.migrating import ENDS
from tests.cluster.node.walking import Walk
from tests.waiting import until
from turnout.domain.errors import NotFoundError
from turnout.fabric.environments import project_root
from turnout.fabric.kubernetes import kustomize
from turnout.lab.cluster.addons.kserve import DOMAIN
from turnout.lab.cluster.node import overlay

API = "http://localhost:4200/api"
"""As the walk forwards it."""
LONGEST_SECONDS = 900.0
ROW = {"name": "input-0", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}


@pytest.fixture
def legacy(writer, space, image, models):
    """An InferenceService whose clients speak V2; of Turnout's nothing is there yet."""
    item = service(space)
    item["spec"]["predictor"]["model"]["protocolVersion"] = "v2"
    with served(writer, item, runtime(space, image), models):
        yield item


def lab(root, verb, *arguments):
    """What `turnout lab cluster` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "turnout", "lab", "cluster", verb, "--state", root, *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def walk(cluster, legacy, models, tmp_path):
    """A reader with the lab's overlay for a cloud's, and with what it has built for what they pushed."""
    assert lab(cluster.root, "image", "sentinel").startswith("localhost/sentinel:")
    written, own = Path(lab(cluster.root, "overlay")), tmp_path / "my-cluster"
    own.mkdir()
    shutil.copy(written / "cluster.yaml", own)
    values = {
        "CLOUD": "laptop",
        "REGISTRY": "no registry",
        "DIR": str(own),
        "OVERLAY": os.path.relpath(written, own),
        "NAMESPACE": legacy["metadata"]["namespace"],
        "MODEL": "iris",
        "OWNER": "anna",
        "FILES": str(models / "iris"),
        "DOMAIN": "models.example.com",
        "GATEWAY": f"{cluster.gateway.rpartition(':')[0]}:{overlay.PORT}",
    }
    programs = {Path(sys.executable).parent, Path(kustomize.kubectl()).parent}
    terminal = {
        "KUBECONFIG": str(cluster.kubeconfig),
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
        "PYTHONPATH": str(project_root()),
    }
    with Walk(values, terminal) as reader:
        yield reader


def migration(word):
    """The state of the one run of `migrate`."""
    asked = {"flows": {"name": {"any_": ["migrate"]}}}
    answer = httpx.post(f"{API}/flow_runs/filter", json=asked, auth=tuple(word.split(":")), timeout=30)
    (found,) = answer.raise_for_status().json()
    return found["id"], found["state"]


def settled(walk, word):
    """The name of the migration's state, once it waits for somebody or has ended; what went wrong is told."""
    run, state = migration(word)
    if state["type"] not in ENDS | {"PAUSED"}:
        return None
    if state["type"] in ENDS - {"CANCELLED"}:
        print(walk.run(f"prefect flow-run logs {run} --tail --num-logs 60"))
    return state["name"]


def gone(writer, path):
    """Whether nothing is at a path of the API."""
    with suppress(NotFoundError):
        writer.call("GET", path)
        return False
    return True


def called(file):
    """The statuses that the walk's client was answered so far."""
    return file.read_text().split() if file.exists() else []


def test_a_reader_gets_to_a_first_shadow_test_and_back(cluster, writer, legacy, walk, tmp_path):
    """Every command of the walk succeeds in its order; what the page says is seen, and is seen again."""
    space, answers = legacy["metadata"]["namespace"], tmp_path / "my-cluster" / "answers.txt"
    walk.through("From an empty cluster to a first shadow test")
    assert "enableBackend: true" in walk.through("2. What Turnout stands on")
    said = walk.through("4. Look around")
    assert f"{space}/iris" in said
    assert "triton" in said
    assert "! no_owner" in said
    assert "! no_contract" in said
    said = walk.through("5. The owner's word")
    assert "triton" in said
    assert "! " not in said
    walk.through("6. A directory of your own")
    assert "All of it runs." in walk.through("7. Give, and install")
    word = walk.through("8. The plan, kept") and walk.run('echo "$PREFECT_API_AUTH_STRING"').strip()
    assert "otpauth://totp/" in walk.through("9. The owner's device")
    assert "model.joblib" in walk.through("10. The model's files")
    said = walk.through("11. The route in front of legacy")
    assert "follows it" in said
    assert json.loads(said.split()[-1])["outputs"][0]["data"] == [0]
    walk.through("12. Clients")
    until(lambda: len(called(answers)) > 20, "answers for the walk's client")
    walk.through("13. The shadow test")
    assert until(lambda: settled(walk, word), "the first gate", LONGEST_SECONDS) == "Suspended"
    said = walk.through("14. What it showed")
    assert "anna at gate canary" in said
    assert "deployment.apps/triton-iris-1" in said
    assert "iris-1 shadow: pass" in said
    walk.through("15. Stop here")
    deployed = f"/apis/apps/v1/namespaces/{space}/deployments/triton-iris-1"
    until(lambda: gone(writer, deployed), "the end of the candidate", LONGEST_SECONDS)
    state = until(lambda: migration(word)[1]["type"] in ENDS and migration(word)[1], "the end of the run")
    assert state["name"] == "Abandoned"
    walk.through("16. All of it off again")
    assert walk.is_over()

    print(f"{len(called(answers))} answers of the walk's client")
    assert set(called(answers)) == {"200"}
    assert shipped.left_in_cluster(writer) == set()
    rights = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{space}/rolebindings"
    assert shipped.names(writer, rights) == set()
    old = httpx.post(
        f"http://{cluster.gateway}/v2/models/iris/infer", headers={"host": f"iris-{space}.{DOMAIN}"},
        json={"inputs": [ROW]}, timeout=30,
    )  # fmt: skip
    assert old.json()["outputs"][0]["data"] == [0]
