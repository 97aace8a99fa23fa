"""Waits for real objects, and what they say of those that never come."""

import time

import pytest

from tests.cluster import simulated
from turnout.domain.errors import InvalidInputError, TemporaryError
from turnout.fabric.kubernetes.waiting import Waiter

NODE, SILENT = "waiting-0", "waiting-silent"
SHORT_SECONDS = 8.0


@pytest.fixture(scope="module", autouse=True)
def node(applier):
    """A made-up node, which runs whatever is bound to it, and one of which nobody hears."""
    made = simulated.node(NODE, "waiting", "n2-standard-4", "3900m", "15Gi")
    silent = simulated.node(SILENT, "waiting", "n2-standard-4", "3900m", "15Gi")
    del silent["metadata"]["annotations"]
    applier.call("POST", "/api/v1/nodes", body=silent)
    simulated.bring_up(applier, [made])
    yield
    applier.delete(made)
    applier.delete(silent)


def deployment(namespace, *, replicas=1, cpu="100m", bound=None, **container):
    """A Deployment on the made-up node, or bound to one that says nothing."""
    labels = {"app.kubernetes.io/name": "waited-for"}
    spec = {
        "nodeSelector": {"kubernetes.io/hostname": NODE},
        "terminationGracePeriodSeconds": 0,  # no kubelet would ever say that it has ended
        "containers": [
            {"name": "server", "image": "registry.example/server:1", "securityContext": simulated.RESTRICTED,
             "resources": {"requests": {"cpu": cpu}}, **container}
        ],
    }  # fmt: skip
    if bound:
        spec = {key: value for key, value in spec.items() if key != "nodeSelector"} | {"nodeName": bound}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "waited-for", "namespace": namespace},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }  # fmt: skip


def says(applier, item, kind=TemporaryError, before=None):
    """What is said of an object that does not become ready."""
    applier.apply([item])
    if before:
        before()
    with pytest.raises(kind) as found:
        Waiter(applier).until_ready([item], within_seconds=SHORT_SECONDS)
    return str(found.value)


def container_is(applier, namespace, state):
    """Let the pod's container be in a state, as the kubelet of its node would report it: nobody else does."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    until = time.monotonic() + 60
    while not (found := applier.call("GET", path)["items"]):
        assert time.monotonic() < until, "the pod was never made"
        time.sleep(0.2)
    (pod,) = found
    container = {"name": "server", "ready": False, "restartCount": 0, "image": "i", "imageID": ""}
    pod["status"] = {
        "phase": "Running" if "running" in state else "Pending",
        "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False"}],
        "containerStatuses": [{**container, "state": state}],
    }
    applier.call("PUT", f"{path}/{pod['metadata']['name']}/status", body=pod)


def test_what_becomes_ready_is_waited_for(applier, namespace):
    """A Deployment whose pods run, and objects that need nothing but to be there."""
    item = deployment(namespace, replicas=2)
    service = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "waited-for", "namespace": namespace},
        "spec": {"ports": [{"port": 80}]},
    }  # fmt: skip
    applier.apply([item, service])
    Waiter(applier).until_ready([item, service], within_seconds=120)


def test_a_pod_that_fits_nowhere_is_told_in_the_schedulers_words(applier, namespace):
    """More cores than the node has."""
    assert "Insufficient cpu" in says(applier, deployment(namespace, cpu="64"))


def test_a_quota_that_is_exceeded_is_told_by_name(applier, namespace):
    """No pod is there to ask: the ReplicaSet's own failure says it."""
    quota = {
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "tight", "namespace": namespace},
        "spec": {"hard": {"requests.cpu": "1"}},
    }  # fmt: skip
    applier.apply([quota])
    said = says(applier, deployment(namespace, cpu="2"))
    assert "exceeded quota: tight" in said


def test_a_pod_that_is_not_let_in_is_told_with_its_violation(applier, namespace):
    """The restricted standard refuses it, and says which rule."""
    item = deployment(namespace, securityContext={"privileged": True})
    assert "violates PodSecurity" in says(applier, item)


def test_an_image_that_cannot_be_pulled_is_told_with_its_name(applier, namespace):
    """As the kubelet reports it; waited for until the time is up, for a registry may come back."""
    state = {"waiting": {"reason": "ImagePullBackOff", "message": "server:1: manifest unknown"}}
    said = says(
        applier, deployment(namespace, bound=SILENT), before=lambda: container_is(applier, namespace, state)
    )  # fmt: skip
    assert "container server: ImagePullBackOff: server:1: manifest unknown" in said


def test_a_name_that_is_no_image_is_not_waited_for(applier, namespace):
    """Nothing but a change cures it: said at once, as an error of the input."""
    state = {"waiting": {"reason": "InvalidImageName", "message": "couldn't parse"}}
    began = time.monotonic()
    said = says(
        applier, deployment(namespace, bound=SILENT), InvalidInputError,
        before=lambda: container_is(applier, namespace, state),
    )  # fmt: skip
    assert "InvalidImageName" in said
    assert time.monotonic() - began < 60


def test_a_readiness_probe_that_fails_is_told(applier, namespace):
    """It runs and is not ready: its container is named."""
    state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    said = says(
        applier, deployment(namespace, bound=SILENT), before=lambda: container_is(applier, namespace, state)
    )  # fmt: skip
    assert "container server: runs and does not answer its readiness probe" in said
    assert "0 of 1 replicas are available" in said


def test_a_ray_service_without_a_controller_is_told_as_unseen(applier, namespace):
    """No status is no readiness."""
    item = {
        "apiVersion": "ray.io/v1", "kind": "RayService", "metadata": {"name": "ray", "namespace": namespace},
        "spec": {
            "serveConfigV2": "applications: []",
            "rayClusterConfig": {
                "headGroupSpec": {"template": {"spec": {"containers": [{"name": "h", "image": "i"}]}}}
            },
        },
    }  # fmt: skip
    assert "its controller has not seen the last change yet" in says(applier, item)
