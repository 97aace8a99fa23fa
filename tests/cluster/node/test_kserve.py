"""KServe's own controller: an InferenceService becomes Ready and answers under its ingress host."""

import json
import time

import httpx
import pytest

from tests.cluster.node.kserve_models import ROWS, runtime, served, service
from tests.waiting import until
from turnout.domain.errors import TurnoutError
from turnout.fabric.kubernetes.legacy import KServeSize
from turnout.lab.cluster.addons.kserve import DOMAIN

KSERVE_SECONDS = 5.0
"""Its controller has replaced pods within one, where it does."""


@pytest.fixture
def ready(writer, space, image, models):
    """An InferenceService that is ready, and says nothing of its least."""
    item = service(space)
    del item["spec"]["predictor"]["minReplicas"]
    with served(writer, item, runtime(space, image), models) as found:
        yield found


def test_an_inference_service_answers_clients_outside(cluster, space, ready):
    """It becomes Ready in Standard mode, and a V1 client outside the cluster gets its predictions."""
    assert ready["status"]["deploymentMode"] == "Standard"
    host = f"iris-{space}.{DOMAIN}"
    assert ready["status"]["url"] == f"http://{host}"
    answer = httpx.post(
        f"http://{cluster.gateway}/v1/models/iris:predict",
        headers={"host": host},
        json={"instances": ROWS},
    )
    assert answer.status_code == 200, answer.text
    assert json.loads(answer.text)["predictions"] == [0, 2]


def test_legacy_is_pinned_without_a_new_pod_where_an_annotation_would_make_one(
    writer, space, ready, tmp_path
):
    """KServe hands the least on to its autoscaler, and annotations to the pods."""

    def made():
        path = f"/apis/apps/v1/namespaces/{space}/replicasets"
        return {each["metadata"]["name"] for each in writer.call("GET", path)["items"]}

    size, before = KServeSize(writer, lambda _: (space, "iris"), tmp_path), made()
    size.pin("iris")
    assert writer.call("GET", writer.path(ready))["spec"]["predictor"]["minReplicas"] == 1
    time.sleep(KSERVE_SECONDS)
    assert made() == before
    size.release("iris")
    time.sleep(KSERVE_SECONDS)
    assert made() == before
    writer.call(
        "PATCH", writer.path(ready), None, {"metadata": {"annotations": {"turnout.dev/owner": "anna"}}},
        content="application/merge-patch+json",
    )  # fmt: skip
    until(lambda: made() > before, "pods with the annotation")


def test_what_the_webhook_refuses_is_not_stored(writer, space):
    """KServe's own validation answers: a lower limit above the upper one is no InferenceService."""
    with pytest.raises(TurnoutError, match=r"(?i)minreplicas|replica"):
        writer.apply([service(space, minReplicas=3, maxReplicas=1)])
