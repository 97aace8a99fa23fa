"""The route in front of legacy, under traffic: every step forward and every step back, and no client notices.

KServe's own controller makes the legacy model and its ingress; clients outside call its ingress host. What
their name resolves to is a small table, changed for one half of them before the other, as DNS does.
"""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest
import yaml

from tests.cluster import namespaces
from tests.cluster.node.callers import ANSWERS, CLIENTS, WITHIN_SECONDS, Clients
from tests.cluster.node.kserve_models import ROWS, runtime, served, service
from tests.waiting import until
from turnout.lab.cluster.addons import objects
from turnout.lab.cluster.addons.kserve import DOMAIN
from turnout.settings_file import VARIABLE

PORT = 8090
"""Of Turnout's Gateway at the node's address; KServe's ingress has port 80."""
PATH = "/v1/models/iris:predict"


@pytest.fixture
def legacy(writer, space, image, models):
    """An InferenceService that KServe's controller calls ready."""
    item = service(space)
    with served(writer, item, runtime(space, image), models):
        yield item


@pytest.fixture
def front(cluster, writer, request):
    """Turnout's Gateway, in a namespace of its own: its address."""
    with namespaces.namespace(writer, f"front {request.node.nodeid}", {}) as name:
        gateway = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "front", "namespace": name},
            "spec": {
                "gatewayClassName": "envoy",
                "listeners": [{"name": "http", "port": PORT, "protocol": "HTTP"}],
            },
        }
        writer.apply([gateway])
        objects.wait(writer, gateway, objects.condition("Programmed"))
        yield name, f"{cluster.gateway.rpartition(':')[0]}:{PORT}"
        writer.delete(gateway)


@pytest.fixture
def settings(cluster, front, tmp_path):
    """What the user gives: the Gateway, and the owner's contract. No address of legacy is among it."""
    contract = {"model": "iris", "wire": "v1", "inputs": [], "outputs": [], "same_answer": {"kind": "labels"}}
    (tmp_path / "iris.yaml").write_text(yaml.safe_dump(contract))
    gateway = {
        "namespace": front[0], "name": "front", "hostname": "{model}.new.example.com",
        "sentinel": "10.0.0.7:8000",
    }  # fmt: skip
    file = tmp_path / "turnout.yaml"
    here = str(tmp_path)
    named = dict.fromkeys(("state", "manifests", "contracts", "pools", "owners"), here)
    kubeconfig = str(cluster.kubeconfig)
    file.write_text(yaml.safe_dump(
        {**named, "estate": "cluster", "kubeconfig": kubeconfig, "gateway": gateway}
    ))  # fmt: skip
    return file


def turnout(settings, *arguments):
    """The command, as a user calls it: exit status and all that it says."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "turnout", "route", *arguments],
        env={**os.environ, VARIABLE: str(settings)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    print(f"turnout route {' '.join(arguments)}: {time.monotonic() - began:.1f} s\n{said}")
    return done.returncode, said


@contextmanager
def step(clients, name):
    """A step under traffic: what was answered meanwhile is told."""
    begun = len(clients.answers)
    yield
    now = clients.answers[begun:]
    print(f"{name}: {len(now)} answers, {sum(status != 200 for *_, status, _ in now)} failed")


def answered(address, host):
    """What one request at an address is answered."""
    url = f"http://{address}{PATH}"
    return httpx.post(url, headers={"host": host}, json={"instances": ROWS}, timeout=30)


def test_clients_move_to_the_gateway_and_back_and_none_is_failed(cluster, writer, legacy, front, settings):
    """At each step both addresses answer alike; the route goes only when nobody calls it any more."""
    host, (_, new), old = f"iris-{legacy['metadata']['namespace']}.{DOMAIN}", front, cluster.gateway
    right = until(lambda: (a := answered(old, host)).status_code == 200 and a.text, "KServe", WITHIN_SECONDS)
    assert json.loads(right)["predictions"] == [0, 2]
    before = writer.call("GET", writer.path(legacy))["metadata"]["generation"]
    with Clients(host, old, PATH, {"instances": ROWS}) as clients:
        clients.move(old)
        with step(clients, "registered"):
            status, said = turnout(settings, "register", "iris")
            assert (status, host in said) == (0, True)
            until(lambda: answered(new, host).text == right, "the Gateway's answer", WITHIN_SECONDS)
            assert answered(new, "iris.new.example.com").text == right
            assert turnout(settings, "register", "iris")[0] == 0
        [shown] = json.loads(turnout(settings, "show", "iris", "-o", "json")[1])["routes"]
        assert (shown["weight"], shown["lacking"]) == (0.0, None)
        with step(clients, "half of them resolve to the Gateway"):
            clients.move(new, range(CLIENTS // 2))
            status, said = turnout(settings, "remove", "iris", "--quiet", "3")
            assert (status, "requests in 3 s" in said) == (1, True)
        with step(clients, "all of them"):
            clients.move(new)
        [shown] = json.loads(turnout(settings, "show", "iris", "-o", "json")[1])["routes"]
        assert shown["answered"] >= ANSWERS * CLIENTS
        with step(clients, "half of them back"):
            clients.move(old, range(CLIENTS // 2))
        with step(clients, "all of them back"):
            clients.move(old)
        with step(clients, "removed"):
            assert turnout(settings, "remove", "iris", "--quiet", "5")[0] == 0
            until(lambda: answered(new, host).status_code == 404, "the Gateway without it", WITHIN_SECONDS)
            clients.move(old)
    assert {(status, text) for *_, status, text in clients.answers} == {(200, right)}
    assert {where for _, where, _, _ in clients.answers} == {old, new}
    assert writer.call("GET", writer.path(legacy))["metadata"]["generation"] == before


def test_a_gateway_that_is_kserves_own_is_refused(cluster, legacy, settings):
    """KServe's route has the host there, and would be asked first: the user is told whose it is."""
    space = legacy["metadata"]["namespace"]
    shared = yaml.safe_load(settings.read_text())
    shared["gateway"] |= {"namespace": "turnout-gateway", "name": "turnout"}
    settings.write_text(yaml.safe_dump(shared))
    status, said = turnout(settings, "register", "iris")
    assert (status, f"HTTPRoute {space}/iris of InferenceService iris" in said) == (1, True), said
    assert answered(cluster.gateway, f"iris-{space}.{DOMAIN}").status_code == 200
    assert turnout(settings, "show", "iris")[0] == 1
