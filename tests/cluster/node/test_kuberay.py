"""KubeRay's own operator: a RayService becomes Ready and answers through its Service."""

import httpx
import pytest

from tests.cluster.node.test_gateway import route, until
from turnout.lab.cluster.addons import objects
from turnout.lab.cluster.node import store

IMAGE = "ray-models"
APP = """
from ray import serve


@serve.deployment(ray_actor_options={"num_cpus": 0.1})
class Greeting:
    async def __call__(self, request):
        return "hello"


app = Greeting.bind()
"""
CONFIG = "applications: [{name: greeting, import_path: greeting:app, route_prefix: /}]"


@pytest.fixture(scope="session")
def image(cluster):
    """The image of Ray, on the node."""
    return store.of(cluster.root).build(IMAGE, print)


def ray_service(space, image):
    """A RayService of one head that also works, and the code of its application."""
    container = {
        "name": "ray-head",
        "image": image,
        "imagePullPolicy": "Never",
        "env": [{"name": "PYTHONPATH", "value": "/app"}],
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "3Gi"}},
        "volumeMounts": [{"name": "app", "mountPath": "/app"}],
    }
    pod = {"containers": [container], "volumes": [{"name": "app", "configMap": {"name": "app"}}]}
    head = {"rayStartParams": {"dashboard-host": "0.0.0.0"}, "template": {"spec": pod}}  # noqa: S104 -- in a pod
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "app", "namespace": space},
            "data": {"greeting.py": APP},
        },
        {
            "apiVersion": "ray.io/v1",
            "kind": "RayService",
            "metadata": {"name": "greeting", "namespace": space},
            "spec": {
                "serveConfigV2": CONFIG,
                "rayClusterConfig": {"rayVersion": "2.60.0", "headGroupSpec": head},
            },
        },
    ]


def test_a_ray_service_answers_clients_outside(cluster, writer, space, image):
    """It becomes Ready, and a client outside the cluster is answered by it through the Gateway."""
    app, item = ray_service(space, image)
    writer.apply([app, item])
    objects.wait(writer, item, objects.condition("Ready"))
    made = route(space, "greeting.example.com", **{"greeting-serve-svc": 1})
    made["spec"]["rules"][0]["backendRefs"][0]["port"] = 8000
    writer.apply([made])
    with httpx.Client(
        base_url=f"http://{cluster.gateway}", headers={"host": "greeting.example.com"}
    ) as client:
        until(client, "hello")
