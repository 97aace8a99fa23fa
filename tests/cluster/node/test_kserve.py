"""KServe's own controller: an InferenceService becomes Ready and answers under its ingress host."""

import json

import httpx
import pytest

from turnout.domain.errors import TurnoutError
from turnout.lab.cluster.addons import objects
from turnout.lab.cluster.addons.kserve import DOMAIN

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]


def volume(space, folder):
    """A volume of the node's folder, and the claim that storage URIs name."""
    size = {"storage": "1Gi"}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": space},
            "spec": {
                "capacity": size,
                "accessModes": ["ReadOnlyMany"],
                "storageClassName": space,
                "hostPath": {"path": str(folder), "type": "Directory"},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "models", "namespace": space},
            "spec": {
                "accessModes": ["ReadOnlyMany"],
                "storageClassName": space,
                "resources": {"requests": size},
            },
        },
    ]


def runtime(space, image):
    """What serves scikit-learn's models."""
    container = {
        "name": "kserve-container",
        "image": image,
        "imagePullPolicy": "Never",
        "args": [
            "--model_name={{.Name}}",
            "--model_dir=/mnt/models",
            "--http_port=8080",
            "--enable_grpc=false",
        ],
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
    }
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ServingRuntime",
        "metadata": {"name": "sklearn", "namespace": space},
        "spec": {
            "supportedModelFormats": [{"name": "sklearn", "version": "1", "autoSelect": True}],
            "protocolVersions": ["v1", "v2"],
            "containers": [container],
        },
    }


def service(space, **predictor):
    """An InferenceService of one scikit-learn model."""
    model = {
        "modelFormat": {"name": "sklearn"},
        "storageUri": "pvc://models/iris",
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
    }
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "iris", "namespace": space},
        "spec": {"predictor": {"minReplicas": 1, "maxReplicas": 1, "model": model, **predictor}},
    }


def test_an_inference_service_answers_clients_outside(cluster, writer, space, image, models):
    """It becomes Ready in Standard mode, and a V1 client outside the cluster gets its predictions."""
    item = service(space)
    try:
        writer.apply([*volume(space, models), runtime(space, image), item])
        ready = objects.wait(writer, item, objects.condition("Ready"))
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
    finally:
        writer.delete(item)
        writer.delete(volume(space, models)[0])


def test_what_the_webhook_refuses_is_not_stored(writer, space):
    """KServe's own validation answers: a lower limit above the upper one is no InferenceService."""
    with pytest.raises(TurnoutError, match=r"(?i)minreplicas|replica"):
        writer.apply([service(space, minReplicas=3, maxReplicas=1)])
