"""Turnout's own parts on a real node, by the commands of docs/kubernetes.md: up, used, broken, and gone."""

import time

import httpx

from tests.cluster import shipped
from tests.cluster.node.installing import WITHIN_SECONDS, command, prefect, run
from tests.cluster.node.kserve_models import service
from tests.cluster.node.reaching import reached
from tests.waiting import until
from turnout.fabric.kubernetes import kustomize
from turnout.fabric.kubernetes.lease import LEASE_SECONDS
from turnout.lab.cluster.addons import objects
from turnout.lab.cluster.node import overlay

SPACE = "/api/v1/namespaces/turnout"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/turnout/leases/turnout-sentinel"
SLICE = "/apis/discovery.k8s.io/v1/namespaces/turnout/endpointslices/turnout-sentinel"
PROXIES = "/apis/apps/v1/namespaces/envoy-gateway-system/deployments"
OURS = {"labelSelector": "gateway.envoyproxy.io/owning-gateway-namespace=turnout"}
GATEWAY = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "turnout", "namespace": "turnout"},
}

API, PREFECT, MLFLOW = "kubernetes.default:443", "turnout-prefect:4200", "turnout-mlflow:5000"
POSTGRES, OBJECTS = "turnout-postgres:5432", "turnout-objects:7070"
SENTINEL, RECORDS, SHADOW = "turnout-sentinel:8080", "turnout-sentinel:4317", "turnout-shadow:9000"
EVERYTHING = [API, PREFECT, MLFLOW, POSTGRES, OBJECTS, SENTINEL, RECORDS, SHADOW]
MAY_CALL = {
    "turnout-worker": {API, PREFECT, MLFLOW, SENTINEL},
    "turnout-desk": {API, PREFECT, MLFLOW, SENTINEL},
    "turnout-prefect": {POSTGRES},
    "turnout-mlflow": {POSTGRES, OBJECTS},
    "turnout-sentinel": {API},
    "turnout-shadow": {API, SENTINEL},
}
"""Of Turnout's own parts: who is let through to whom."""


def test_all_of_it_runs_and_clients_reach_the_gateway(cluster, writer, installed):
    """The command returns when everything is available; the Gateway's proxy answers clients outside."""
    found = [each for each in kustomize.render(installed) if each["kind"] in {"Deployment", "StatefulSet"}]
    for each in found:
        now = writer.call("GET", writer.path(each))
        assert now["status"]["availableReplicas"] == each["spec"]["replicas"], each["metadata"]["name"]
    objects.wait(writer, GATEWAY, objects.condition("Programmed"))
    address = cluster.gateway.rpartition(":")[0]
    until(lambda: httpx.get(f"http://{address}:{overlay.PORT}").status_code == 404, "an answer of its proxy")


def generations(writer, rendered):
    """What an object's wanted state is counted by, of all that is installed; and which pods there are."""
    items = [writer.call("GET", writer.path(each))["metadata"] for each in rendered]
    pods = [each["metadata"]["uid"] for each in writer.call("GET", f"{SPACE}/pods")["items"]]
    return {each["uid"]: each.get("generation") for each in items}, sorted(pods)


def test_installed_again_nothing_changes(cluster, writer, installed):
    """The same objects stay in the same generation, and the same pods run."""
    rendered = kustomize.render(installed)
    before = generations(writer, rendered)
    assert command(cluster, "install", str(installed)).returncode == 0
    assert generations(writer, rendered) == before


def test_who_calls_whom_is_what_the_policies_say(cluster, writer, installed):
    """Each of its parts reaches what it needs, and nothing else of Turnout's; the node holds them to it."""
    assert installed
    until(lambda: both(writer) and holder(writer), "a sentinel that leads", WITHIN_SECONDS)
    for part, wanted in MAY_CALL.items():
        assert reached(cluster, "turnout", f"deploy/{part}", EVERYTHING) == wanted, part


def test_flows_run_in_the_cluster_on_its_own_estate(cluster, writer, space, installed):
    """From nothing to a plan: the worker runs `discover`, which finds a model of the cluster, and `plan`."""
    assert installed
    writer.apply([service(space)])
    with prefect(cluster) as api:
        assert f"{space}/iris" in run(api, "discover", {})
        assert "pass" in run(api, "plan", {})


def both(writer):
    """Names and addresses of the sentinels' pods, once two run and none is being ended."""
    pods = writer.call("GET", f"{SPACE}/pods", {"labelSelector": "app.kubernetes.io/name=turnout-sentinel"})
    found = {
        each["metadata"]["name"]: each["status"].get("podIP")
        for each in pods["items"]
        if "deletionTimestamp" not in each["metadata"]
    }
    return found if len(found) == 2 and all(found.values()) else None


def holder(writer):
    """Who holds the Lease."""
    return (writer.call("GET", LEASE).get("spec") or {}).get("holderIdentity", "")


def test_the_other_sentinel_takes_over(writer, installed):
    """The one that holds the Lease is killed: the other holds it in its time, and the Service leads to it."""
    assert installed
    pods = until(lambda: both(writer), "two of them", WITHIN_SECONDS)
    leader = until(lambda: holder(writer) in pods and holder(writer), "one that leads")
    (other,) = pods.keys() - {leader}
    writer.call("DELETE", f"{SPACE}/pods/{leader}", {"gracePeriodSeconds": "0"})
    began = time.monotonic()
    until(lambda: holder(writer) == other, "the other's hold", 4 * LEASE_SECONDS)
    print(f"the other sentinel leads after {time.monotonic() - began:.1f} s")
    until(
        lambda: (
            [each["addresses"] for each in writer.call("GET", SLICE)["endpoints"] or ()] == [[pods[other]]]
        ),
        "the Service leads to it",
    )


def test_uninstalled_nothing_of_it_is_left(cluster, writer, installed):
    """But for volumes and what the user made: no object in the namespace or the cluster, no pod, no proxy."""
    assert command(cluster, "uninstall").returncode == 0
    rendered = kustomize.render(installed)
    until(
        lambda: {kind for kind, _ in shipped.left(writer, rendered)} == {"persistentvolumeclaims"},
        "nothing but volumes", WITHIN_SECONDS,
    )  # fmt: skip
    assert shipped.left_in_cluster(writer) == set()
    until(lambda: not writer.call("GET", PROXIES, OURS)["items"], "the end of the proxies", WITHIN_SECONDS)
