"""The Gateway: a client outside the cluster reaches Services through HTTPRoutes."""

import time

import httpx

from tests.cluster.node.envoy_pods import answering, envoy_image
from turnout.lab.cluster.addons import gateway, objects

SECONDS = 60.0
REQUESTS = 1000


def route(space, host, **weights):
    """An HTTPRoute that divides what comes for a host among Services."""
    backends = [{"name": name, "port": 80, "weight": weight} for name, weight in weights.items()]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "answers", "namespace": space},
        "spec": {
            "parentRefs": [{"name": gateway.NAME, "namespace": gateway.NAMESPACE}],
            "hostnames": [host],
            "rules": [{"backendRefs": backends}],
        },
    }


def serves(writer, image, space, *names):
    """Bring Deployments up that answer with their own names."""
    for name in names:
        deployment, service = answering(image, space, name, name)
        writer.apply([deployment, service])
    for name in names:
        objects.wait(writer, answering(image, space, name, name)[0], objects.available)


def until(client, wanted):
    """Ask until the answer is the wanted one."""
    end = time.monotonic() + SECONDS
    while (answer := client.get("/")).text != wanted:
        assert time.monotonic() < end, f"never {wanted}: {answer.status_code} {answer.text}"
        time.sleep(0.05)


def test_a_client_outside_is_answered_through_a_route(cluster, writer, space):
    """A request to the node's address is answered by the Service of its host's route, and only by that."""
    serves(writer, envoy_image(writer), space, "one")
    writer.apply([route(space, "one.example.com", one=1)])
    with httpx.Client(base_url=f"http://{cluster.gateway}", headers={"host": "one.example.com"}) as client:
        until(client, "one")
        assert client.get("/", headers={"host": "other.example.com"}).status_code == 404


def test_a_weight_moves_traffic_without_a_failed_request(cluster, writer, space):
    """While weights go from one Service to the other every request is answered, at the end by the other."""
    serves(writer, envoy_image(writer), space, "old", "new")
    host = "moves.example.com"
    writer.apply([route(space, host, old=1, new=0)])
    with httpx.Client(base_url=f"http://{cluster.gateway}", headers={"host": host}) as client:
        until(client, "old")
        answers = []
        for share in (1, 50, 100):
            writer.apply([route(space, host, old=100 - share, new=share)])
            answers += [client.get("/") for _ in range(REQUESTS // 3)]
        until(client, "new")
        assert {answer.status_code for answer in answers} == {200}
        assert {client.get("/").text for _ in range(50)} == {"new"}
