"""Every shipped overlay on a real API server: taken, admitted, unchanged by a second time, and gone."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster import shipped
from turnout.domain.errors import NotFoundError, RefusedError
from turnout.fabric.kubernetes import installation

TEMPLATES = Path(__file__).parents[2] / "deployments" / "work_pools"
SPACE = "/api/v1/namespaces/turnout"
JOBS = "/apis/batch/v1/namespaces/turnout/jobs"
VOLUMES = {"persistentvolumeclaims"}
CLAIMS = {"data-turnout-postgres-0", "data-turnout-objects-0", "turnout-state"}


def until(what, answer):
    """Wait for an answer that is true."""
    end = time.monotonic() + shipped.WITHIN_SECONDS
    while not (found := answer()):
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.3)
    return found


@pytest.fixture(autouse=True)
def clean(applier):
    """After each test nothing is left, of the data neither."""
    yield
    for route in applier.call("GET", "/apis/gateway.networking.k8s.io/v1/httproutes")["items"]:
        applier.delete({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", **route})
    shipped.remove(applier)


def workloads(objects):
    """Name and replicas of each Deployment and StatefulSet."""
    return {
        each["metadata"]["name"]: each["spec"]["replicas"]
        for each in objects
        if each["kind"] in {"Deployment", "StatefulSet"}
    }


def admitted(applier, objects):
    """Whether all pods of the workloads are there; what a controller could not create fails at once."""
    failed = applier.call("GET", f"{SPACE}/events", {"fieldSelector": "reason=FailedCreate"})["items"]
    assert not failed, [each["message"] for each in failed]
    pods = shipped.names(applier, f"{SPACE}/pods")
    counts = {
        name: sum(1 for pod in pods if re.fullmatch(rf"{name}-([0-9a-f]+-\w{{5}}|\d+)", pod))
        for name in workloads(objects)
    }
    return counts == workloads(objects)


@pytest.mark.parametrize("overlay", shipped.OVERLAYS)
def test_an_overlay_is_taken_and_stays_and_goes(applier, control_plane, overlay):
    """Installed twice, `kubectl diff` sees nothing to do, and every pod passes the restricted standard.

    Uninstalled, nothing is left but the volumes, what the user made and what Kubernetes makes of itself.
    """
    objects = shipped.rendered(overlay)
    shipped.give(applier, objects)
    assert installation.install(applier, objects) == []
    until("every pod", lambda: admitted(applier, objects))
    assert installation.install(applier, objects) == []
    status, said = shipped.kubectl(
        control_plane, "diff", "--server-side", "--force-conflicts", "--field-manager=turnout",
        "-k", str(shipped.kustomize.place(overlay)),
    )  # fmt: skip
    assert (status, said) == (0, "")
    installation.uninstall(applier)
    until("nothing but volumes", lambda: {kind for kind, _ in shipped.left(applier, objects)} == VOLUMES)
    assert {name for _, name in shipped.left(applier, objects)} <= CLAIMS
    assert shipped.left_in_cluster(applier) == set()


def test_kubectl_alone_installs_it_too(applier, control_plane):
    """`kubectl apply --server-side -k`, as a GitOps controller does it, is the same as the command."""
    objects, place = shipped.rendered("laptop"), str(shipped.kustomize.place("laptop"))
    shipped.give(applier, objects)
    ours = ("--server-side", "--field-manager=turnout")
    for _ in range(2):
        status, said = shipped.kubectl(control_plane, "apply", *ours, "-k", place)
        assert status == 0, said
    assert shipped.kubectl(control_plane, "diff", *ours, "-k", place) == (0, "")
    assert installation.install(applier, objects) == []


def test_what_the_user_has_to_give_is_named_before_anything_is_applied(applier):
    """Without its Secrets nothing is installed; the error names each one with its keys."""
    objects = shipped.rendered("laptop")
    applier.apply([shipped.NAMESPACE])
    with pytest.raises(NotFoundError, match=r"Secret turnout-postgres \(keys: password\) is not there"):
        installation.install(applier, objects)
    assert shipped.names(applier, "/apis/apps/v1/namespaces/turnout/deployments") == set()
    assert shipped.names(applier, f"{SPACE}/services") == set()


def test_the_command_installs_and_says_why_something_does_not_run(applier, control_plane):
    """No node has room here: after the time that it was given, it names a pod and what the scheduler says."""
    shipped.give(applier, shipped.rendered("laptop"))
    done = subprocess.run(
        [sys.executable, "-m", "turnout", "install", "laptop", "--wait", "5",
         "--kubeconfig", control_plane.kubeconfig],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "objects applied in namespace turnout" in done.stdout
    assert re.search(r"pod turnout-\S+: Unschedulable: ", done.stderr), done.stderr


def test_another_overlay_takes_away_what_it_has_not(applier):
    """From the laptop's overlay to a cloud's: the object store goes, and only that."""
    before, after = shipped.rendered("laptop"), shipped.rendered("eks")
    shipped.give(applier, [*before, *after])
    installation.install(applier, before)
    after = [each for each in after if each["kind"] != "PersistentVolumeClaim"]  # a claim's class stays
    left = installation.install(applier, after)
    assert {(kind, name) for _, kind, _, name in left} == {
        ("ServiceAccount", "turnout-objects"), ("NetworkPolicy", "objects"),
        ("NetworkPolicy", "mlflow-objects"), ("ConfigMap", "turnout-artifacts"),
        ("Service", "turnout-objects"), ("StatefulSet", "turnout-objects"),
    }  # fmt: skip


def test_a_gateway_that_clients_come_through_is_not_removed(applier):
    """While an HTTPRoute leads through it, uninstalling is refused and says which."""
    objects = shipped.rendered("laptop")
    shipped.give(applier, objects)
    installation.install(applier, objects)
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "iris", "namespace": "turnout"},
        "spec": {"parentRefs": [{"name": "turnout"}]},
    }  # fmt: skip
    applier.apply([route])
    with pytest.raises(RefusedError, match="HTTPRoute turnout/iris"):
        installation.uninstall(applier)
    assert "turnout-sentinel" in shipped.names(applier, "/apis/apps/v1/namespaces/turnout/deployments")


def job():
    """The Job of a flow run, with the work pool's template and its defaults."""
    template = json.loads((TEMPLATES / "kubernetes.json").read_text())
    known = {name: each.get("default") for name, each in template["variables"]["properties"].items()}
    known |= {"image": "turnout-worker:local", "command": ["python", "-m", "prefect.engine"]}
    known["labels"] = {"prefect.io/flow-run-id": "0"}

    def filled(value):
        if isinstance(value, dict):
            return {key: filled(each) for key, each in value.items()}
        if isinstance(value, list):
            return [filled(each) for each in value]
        found = re.fullmatch(r"\{\{ (\w+) \}\}(.*)", value) if isinstance(value, str) else None
        if found is None:
            return value
        return f"{known[found[1]]}{found[2]}" if found[2] else known[found[1]]

    return filled(template["job_configuration"]["job_manifest"])


def test_a_flow_runs_job_is_admitted_and_goes_with_the_installation(applier):
    """The Job that Prefect's worker makes of a run has a pod that the restricted standard lets in."""
    objects = shipped.rendered("gke")
    shipped.give(applier, objects)
    installation.install(applier, objects)
    made = applier.call("POST", JOBS, body=job())
    prefix = made["metadata"]["name"]
    until(
        "its pod", lambda: [pod for pod in shipped.names(applier, f"{SPACE}/pods") if pod.startswith(prefix)]
    )
    installation.uninstall(applier)
    until("the end of the Job", lambda: shipped.names(applier, JOBS) == set())
