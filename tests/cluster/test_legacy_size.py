"""Legacy kept at its full size, by real InferenceServices and Deployments of a real API server."""

import pytest

from tests.cluster import simulated
from turnout.domain.errors import TemporaryError
from turnout.domain.legacy_size import STOPPED
from turnout.fabric.kubernetes import legacy
from turnout.fabric.kubernetes.legacy import KServeSize
from turnout.fabric.kubernetes.waiting import Waiter

NODE = "legacy-0"


@pytest.fixture(scope="module", autouse=True)
def node(applier):
    """A made-up node."""
    made = simulated.node(NODE, "legacy", "n2-standard-4", "3900m", "15Gi")
    simulated.bring_up(applier, [made])
    yield
    applier.delete(made)


def service(namespace, **predictor):
    """An InferenceService."""
    return {
        "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
        "metadata": {"name": "iris", "namespace": namespace},
        "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"}}, **predictor}},
    }  # fmt: skip


def deployment(namespace, replicas):
    """What KServe makes of it in Standard mode, as its autoscaler has sized it."""
    labels = {"serving.kserve.io/inferenceservice": "iris", "component": "predictor"}
    spec = {
        "nodeSelector": {"kubernetes.io/hostname": NODE},
        "containers": [{"name": "kserve-container", "image": "i", "securityContext": simulated.RESTRICTED}],
    }
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "iris-predictor", "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }  # fmt: skip


def least(applier, item):
    """The predictor's least, as the API server has it."""
    return applier.call("GET", applier.path(item))["spec"]["predictor"].get("minReplicas")


@pytest.fixture
def size(applier, namespace, tmp_path):
    """What keeps its size."""
    return KServeSize(applier, lambda _: (namespace, "iris"), tmp_path)


def test_legacy_keeps_what_it_runs_on_until_it_is_released(applier, namespace, size):
    """Three replicas run: three are its least, also when it is pinned again, and afterwards its own again."""
    item, made = service(namespace, minReplicas=1, maxReplicas=5), deployment(namespace, 3)
    applier.apply([item, made])
    Waiter(applier).until_ready([made], within_seconds=120)
    size.pin("iris")
    assert least(applier, item) == 3
    version = applier.call("GET", applier.path(item))["metadata"]["resourceVersion"]
    size.pin("iris")
    assert applier.call("GET", applier.path(item))["metadata"]["resourceVersion"] == version
    size.release("iris")
    assert least(applier, item) == 1
    assert "annotations" not in applier.call("GET", applier.path(item))["metadata"]
    size.release("iris")
    assert least(applier, item) == 1


def test_what_was_kept_of_an_object_is_not_given_to_another_of_its_name(applier, namespace, size):
    """Deleted while it was pinned, made anew with three: three stay, and three come back."""
    item, made = service(namespace, minReplicas=1), deployment(namespace, 3)
    applier.apply([item, made])
    Waiter(applier).until_ready([made], within_seconds=120)
    size.pin("iris")
    applier.delete(item)
    item = service(namespace, minReplicas=3)
    applier.apply([item])
    size.release("iris")
    assert least(applier, item) == 3
    size.pin("iris")
    size.release("iris")
    assert least(applier, item) == 3


def test_no_weight_rises_while_legacy_is_not_ready_at_its_size(applier, namespace, size, monkeypatch):
    """Its least is two and one replica runs: said in words, and pinned all the same."""
    monkeypatch.setattr(legacy, "READY_WITHIN_SECONDS", 1.0)
    item, made = service(namespace, minReplicas=2), deployment(namespace, 1)
    applier.apply([item, made])
    Waiter(applier).until_ready([made], within_seconds=120)
    with pytest.raises(TemporaryError, match=r"not ready: \{.predictor.: 1\}"):
        size.pin("iris")
    assert least(applier, item) == 2


def test_retired_legacy_has_no_pods_and_comes_back_at_its_size(applier, namespace, size, monkeypatch):
    """KServe's part, to take the Deployment away and to make it anew, is done here by hand."""
    item, made = service(namespace, minReplicas=1, maxReplicas=5), deployment(namespace, 3)
    applier.apply([item, made])
    Waiter(applier).until_ready([made], within_seconds=120)
    size.pin("iris")
    monkeypatch.setattr(legacy, "STOPPED_WITHIN_SECONDS", 1.0)
    with pytest.raises(TemporaryError, match=r"still there: \{.predictor.: 3\}"):
        size.retire("iris")  # a KServe that does not know the annotation
    annotations = applier.call("GET", applier.path(item))["metadata"]["annotations"]
    assert annotations[STOPPED] == "true"
    applier.delete(made)
    size.retire("iris")
    applier.apply([made])
    size.restore("iris")
    assert STOPPED not in applier.call("GET", applier.path(item))["metadata"].get("annotations", {})
    assert least(applier, item) == 3
    size.release("iris")
    assert least(applier, item) == 1
