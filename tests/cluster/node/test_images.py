"""Images from Dockerfiles: built without a Docker engine, they run on the node as they say."""

from turnout.lab.cluster.addons import objects
from turnout.lab.cluster.node import store


def succeeded(pod):
    """Whether a pod has ended well."""
    return pod.get("status", {}).get("phase") == "Succeeded"


def test_an_image_of_a_dockerfile_runs_on_the_node(cluster, writer, space):
    """The sentinel's image starts as the user that it names, with nothing but what it copies."""
    image = store.of(cluster.root).build("sentinel", print)
    restricted = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
    }
    container = {
        "name": "sentinel",
        "image": image,
        "imagePullPolicy": "Never",
        "args": ["--help"],
        "securityContext": restricted,
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "sentinel", "namespace": space},
        "spec": {"containers": [container], "restartPolicy": "Never"},
    }
    writer.apply([pod])
    objects.wait(writer, pod, succeeded)
