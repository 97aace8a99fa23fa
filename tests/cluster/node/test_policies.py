"""The node holds its pods to the network policies that select them."""

import pytest

from tests.cluster.node import dns_pods
from tests.cluster.node.installing import kubectl
from tests.cluster.node.reaching import PYTHON, reached
from tests.waiting import until
from turnout.lab.cluster.addons import objects

LET_IN = "let-in"


@pytest.fixture
def caller(writer, space, image):
    """A pod with a Python that does nothing by itself."""
    program = [PYTHON, "-c", "import time; time.sleep(3600)"]
    container = {"name": "caller", "image": image, "imagePullPolicy": "Never", "command": program}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "caller", "namespace": space},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
    writer.apply([pod])
    objects.wait(writer, pod, objects.condition("Ready"))
    return "caller"


def policy(space, name, **spec):
    """A network policy."""
    meta = {"name": name, "namespace": space}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}


def test_a_pod_is_reached_by_those_alone_whom_a_policy_lets_in(cluster, writer, space, caller):
    """First by everybody; then by nobody, and by who has a label; what a pod may call is held to as well."""
    dns_pods.running(cluster, writer, space, "server")
    address = f"server.{space}.svc.cluster.local:80"

    def calls():
        return reached(cluster, space, caller, [address])

    until(calls, "its Service leads to it")

    chosen = {"podSelector": {"matchLabels": {"app": "server"}}}
    come_in = {"ingress": [{"from": [{"podSelector": {"matchLabels": {LET_IN: "true"}}}]}]}
    writer.apply([policy(space, "closed", policyTypes=["Ingress"], **chosen, **come_in)])
    until(lambda: not calls(), "it is closed")
    assert not calls()

    kubectl(cluster, f"--namespace={space}", "label", "pod", caller, f"{LET_IN}=true")
    until(calls, "it is let in")

    writer.apply([policy(space, "silent", policyTypes=["Egress"], podSelector={})])
    until(lambda: not calls(), "it may call nobody")
    assert not calls()
