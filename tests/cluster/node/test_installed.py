"""Turnout's own parts on a real node, by the commands of docs/kubernetes.md: up, used, broken, and gone."""

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest

from tests.cluster import shipped
from tests.cluster.node.test_kserve import service
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
WORD = "turnout:a-word-of-the-users"
GIVEN = (
    ("secret", "generic", "turnout-postgres", "--from-literal=password=0123456789abcdef"),
    ("secret", "generic", "turnout-prefect", f"--from-literal=auth-string={WORD}"),
    ("secret", "generic", "turnout-objects", "--from-literal=access-key=turnout",
     "--from-literal=secret-key=0123456789abcdef"),
    ("configmap", "turnout-contracts"),
    ("configmap", "turnout-owners", "--from-literal=owners.yaml=owners: {anna: {models: [iris]}}"),
)  # fmt: skip
"""What docs/kubernetes.md asks the user of the laptop's overlay for, less `kubectl -n turnout create`."""
WITHIN_SECONDS = 600.0


def command(cluster, verb, *arguments):
    """The command, as a user calls it."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "turnout", verb, *arguments, "--kubeconfig", cluster.kubeconfig],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    print(f"turnout {verb}: {time.monotonic() - began:.0f} s\n{done.stdout}{done.stderr}")
    return done


@pytest.fixture(scope="module")
def directory(cluster, writer):
    """The overlay of this node, and in the namespace what a user gives."""
    began = time.monotonic()
    written = overlay.write(cluster.root, print)
    print(f"turnout lab cluster overlay: {time.monotonic() - began:.0f} s")
    writer.apply([shipped.NAMESPACE])
    for each in GIVEN:
        status, said = shipped.kubectl(cluster, "--namespace=turnout", "create", *each)
        assert status == 0, said
    yield written
    shipped.remove(writer)


@pytest.fixture
def installed(cluster, directory):
    """The overlay, installed: all of it runs. Harmless where it does."""
    done = command(cluster, "install", str(directory), "--wait", f"{WITHIN_SECONDS:g}")
    assert done.returncode == 0, done.stderr
    return directory


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


@contextmanager
def prefect(cluster):
    """Prefect's API as its users reach it."""
    forward = ("--namespace=turnout", "port-forward", "service/turnout-prefect", ":4200")
    with subprocess.Popen(
        [kustomize.kubectl(), f"--kubeconfig={cluster.kubeconfig}", *forward],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            port = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())[1]
            yield f"http://127.0.0.1:{port}/api"
        finally:
            process.terminate()


def run(api, home, flow):
    """Run a flow in the cluster and wait for its end; then what its page shows of the estate."""
    env = {"PREFECT_API_URL": api, "PREFECT_API_AUTH_STRING": WORD, "PREFECT_HOME": str(home)}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "deployment", "run", f"{flow}/turnout", "--watch"],
        env=os.environ | env, capture_output=True, text=True, check=False, timeout=WITHIN_SECONDS,
    )  # fmt: skip
    print(f"prefect deployment run {flow}/turnout: {time.monotonic() - began:.0f} s")
    assert done.returncode == 0, done.stdout + done.stderr
    asked = {"artifacts": {"key": {"any_": [f"estate-{flow}"]}}}
    answer = httpx.post(f"{api}/artifacts/latest/filter", json=asked, auth=tuple(WORD.split(":")))
    return answer.raise_for_status().json()[0]["data"]


def test_flows_run_in_the_cluster_on_its_own_estate(cluster, writer, space, installed, tmp_path):
    """From nothing to a plan: the worker runs `discover`, which finds a model of the cluster, and `plan`."""
    assert installed
    writer.apply([service(space)])
    with prefect(cluster) as api:
        assert f"{space}/iris" in run(api, tmp_path, "discover")
        assert "pass" in run(api, tmp_path, "plan")


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
