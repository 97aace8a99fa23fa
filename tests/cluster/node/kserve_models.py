"""Legacy models on the node, as KServe's users write them: what serves them, and where they lie."""

from contextlib import contextmanager

from turnout.lab.cluster.addons import objects

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
TENSOR = {
    "name": "input-0",
    "shape": [2, 4],
    "datatype": "FP64",
    "data": [each for row in ROWS for each in row],
}
"""The rows, as V2 clients send them."""


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
    return _runtime(space, image, "sklearn", "256Mi")


def huggingface(space, image):
    """What serves Hugging Face models."""
    return _runtime(space, image, "huggingface", "1Gi", env=[{"name": "OMP_NUM_THREADS", "value": "1"}])


def _runtime(space, image, form, memory, **container):
    """A ServingRuntime of the KServe SDK's own server for one format."""
    server = {
        "name": "kserve-container",
        "image": image,
        "imagePullPolicy": "Never",
        "args": [
            "--model_name={{.Name}}",
            "--model_dir=/mnt/models",
            "--http_port=8080",
            "--enable_grpc=false",
        ],
        "resources": {"requests": {"cpu": "100m", "memory": memory}},
    }
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ServingRuntime",
        "metadata": {"name": form, "namespace": space},
        "spec": {
            "supportedModelFormats": [{"name": form, "version": "1", "autoSelect": True}],
            "protocolVersions": ["v1", "v2"],
            "containers": [server | container],
        },
    }


def service(space, name="iris", **predictor):
    """An InferenceService of one scikit-learn model."""
    model = {
        "modelFormat": {"name": "sklearn"},
        "storageUri": f"pvc://models/{name}",
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
    }
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name, "namespace": space},
        "spec": {"predictor": {"minReplicas": 1, "maxReplicas": 1, "model": model, **predictor}},
    }


def chat_service(space):
    """An InferenceService of the language model, which its owner has served without accelerators."""
    model = {
        "modelFormat": {"name": "huggingface"},
        "args": ["--task=text_generation", "--max-model-len=2048"],
        "storageUri": "pvc://models/smollm",
        "resources": {
            "requests": {"cpu": "10m", "memory": "1Gi"},
            "limits": {"cpu": "500m", "memory": "3Gi"},
        },
    }
    marks = {"owner": "ben", "parameters": "135M", "dtype": "bfloat16", "accelerator": "none"}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": "smollm",
            "namespace": space,
            "annotations": {f"turnout.dev/{name}": value for name, value in marks.items()},
        },
        "spec": {"predictor": {"minReplicas": 1, "maxReplicas": 1, "model": model}},
    }


@contextmanager
def begun(writer, item, serving, folder):
    """An InferenceService of a folder on the node, until the block ends; it may not be ready yet.

    Args:
        writer: The connection.
        item: The InferenceService.
        serving: The ServingRuntime of its format.
        folder: Where its volume lies.
    """
    lying = volume(item["metadata"]["namespace"], folder)
    try:
        writer.apply([*lying, serving, item])
        yield item
    finally:
        writer.delete(item)
        writer.delete(lying[0])


@contextmanager
def served(writer, item, serving, folder):
    """The same, ready."""
    with begun(writer, item, serving, folder):
        yield objects.wait(writer, item, objects.condition("Ready"))
