"""The sentinel guards over a real Envoy Gateway: it judges what the proxies tell, and takes a candidate back.

The sentinel is the real process, outside the cluster at the address that its pods reach; whoever calls is
outside, too.
"""

import contextlib
import ipaddress
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

import httpx
import pytest
import yaml

from tests.cluster.node.envoy_pods import answering, envoy_image
from tests.cluster.node.outside import endpoints
from tests.waiting import until
from turnout.domain.route import Backend, Opening, Registration, RouteChange, RoutePolicy
from turnout.fabric import ports
from turnout.fabric.environments import project_root
from turnout.fabric.gateway_api.place import Place
from turnout.fabric.gateway_api.router import GatewayRouter
from turnout.lab.cluster.addons import gateway, objects
from turnout.settings import Gateway as Chosen
from turnout.settings import Settings
from turnout.settings_file import VARIABLE

SECONDS = 60.0
CLIENTS = 4
PAUSE_SECONDS = 0.02
POLICY = RoutePolicy(try_seconds=2.0, request_seconds=10.0)
HOST = "{model}.guarded.example.com"
CONTROLLER = "/apis/apps/v1/namespaces/envoy-gateway-system/deployments/envoy-gateway"
ITS_PODS = ("/api/v1/namespaces/envoy-gateway-system/pods", {"labelSelector": "control-plane=envoy-gateway"})
MERGE = "application/merge-patch+json"


@dataclass
class Clients:
    """Callers outside the cluster; they keep every answer with its time."""

    gateway: str
    host: str
    answers: list[tuple[float, int, str]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self):
        """Call without end."""
        self._threads = [threading.Thread(target=self._call) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        """Call no more."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def since(self, at):
        """Answers from a time on, by status and text."""
        return [(status, text) for when, status, text in list(self.answers) if when >= at]

    def last(self, text):
        """When an answer with this text came last."""
        return max((at for at, _, said in self.answers if said == text), default=0.0)

    def _call(self):
        with httpx.Client(base_url=f"http://{self.gateway}", headers={"host": self.host}) as client:
            while not self._over.wait(PAUSE_SECONDS):
                try:
                    answer = client.post("/", content=b"{}")
                    self.answers.append((time.time(), answer.status_code, answer.text))
                except httpx.HTTPError as error:
                    self.answers.append((time.time(), 0, repr(error)))


@dataclass
class Guarded:
    """A model in the middle of its migration, its sentinel and its clients."""

    router: GatewayRouter
    model: str
    settings: Settings
    clients: Clients

    @property
    def attempt(self):
        """The attempt."""
        return f"{self.model}-1"

    def standing(self):
        """What the sentinel says of the attempt."""
        try:
            return httpx.get(f"{self.settings.sentinel}/attempts/{self.attempt}", timeout=2).json()
        except httpx.HTTPError:
            return {}

    def give(self, weight):
        """Raise the weight."""
        read = self.router.read(self.model)
        change = RouteChange(model=self.model, attempt=self.attempt, read_version=read.version, weight=weight)
        self.router.change(change)


def asked(address, host):
    """What the Gateway answers."""
    return httpx.get(f"http://{address}", headers={"host": host}).text


@pytest.fixture
def guarded(cluster, writer, space, tmp_path):
    """Starts a migration at weight 0 with its sentinel, clients and a candidate that fails as often."""
    address = str(ipaddress.IPv4Address(cluster.gateway.rpartition(":")[0]) - 1)
    http, otlp = ports.pick(), ports.pick()
    model, image = space.rpartition("/")[2][:40].strip("-"), envoy_image(writer)
    folder = tmp_path / "contracts"
    folder.mkdir()
    text = {"model": model, "wire": "v1", "inputs": [], "outputs": [], "policy": POLICY.model_dump()}
    text["same_answer"] = {"kind": "regression", "absolute_tolerance": 1e-6}
    (folder / f"{model}.yaml").write_text(yaml.safe_dump(text))
    chosen = Chosen(
        namespace=gateway.NAMESPACE, name=gateway.NAME, hostname=HOST, sentinel=f"{address}:{http}"
    )
    settings = Settings(
        state=tmp_path, manifests=tmp_path, contracts=folder, pools=tmp_path / "p", owners=tmp_path / "o",
        kubeconfig=cluster.kubeconfig, gateway=chosen, sentinel=f"http://{address}:{http}",
    )  # fmt: skip
    settings.write(tmp_path / "turnout.yaml")
    place = Place(gateway.NAMESPACE, gateway.NAME, None, HOST)
    router = GatewayRouter(writer, place, sentinel=Backend(name="sentinel", host=address, port=http))
    clients = Clients(cluster.gateway, HOST.format(model=model))
    writer.apply([endpoints(address, http, otlp)])
    command = [sys.executable, "-m", "turnout.services.sentinel", "--host", address, "--port", str(http)]
    with (tmp_path / "sentinel.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--otlp-port", str(otlp)],
            cwd=project_root(),
            env={**os.environ, VARIABLE: str(tmp_path / "turnout.yaml")},
            stdout=log,
            stderr=log,
        )
    one = Guarded(router, model, settings, clients)

    def start(failing):
        pods = [
            *answering(image, space, "legacy", "legacy"),
            *answering(image, space, "candidate", "candidate", failing=failing),
        ]
        writer.apply(pods)
        for pod in pods[::2]:
            objects.wait(writer, pod, objects.available)
        stable = Backend(name="legacy", host=f"legacy.{space}.svc.cluster.local", port=80)
        router.register(Registration(model=model, listen_port=ports.pick(), stable=stable, policy=POLICY))
        candidate = Backend(name="candidate", host=f"candidate.{space}.svc.cluster.local", port=80)
        router.open(Opening(model=model, attempt=one.attempt, candidate=candidate, policy=POLICY))
        until(lambda: asked(cluster.gateway, clients.host) == "legacy", "legacy answers", SECONDS)
        clients.start()
        until(lambda: one.standing().get("armed"), "the sentinel arms the candidate", SECONDS)
        return one

    try:
        yield start
    finally:
        clients.stop()
        process.terminate()
        process.wait(20)
        print((tmp_path / "sentinel.log").read_text()[-4000:])
        for kind, version, name in (
            ("HTTPRoute", "gateway.networking.k8s.io/v1", model),
            ("EnvoyPatchPolicy", "gateway.envoyproxy.io/v1alpha1", f"{model}-door"),
        ):
            meta = {"name": name, "namespace": gateway.NAMESPACE}
            writer.delete({"apiVersion": version, "kind": kind, "metadata": meta})


def test_a_sound_candidate_keeps_its_weight(guarded):
    """Its half of the traffic is told completely: nothing holds, looks are judged, no client is failed."""
    one = guarded(failing=0)
    one.give(0.5)
    at = time.time()
    until(lambda: one.standing().get("step_looks", 0) >= 15, "15 looks are judged", SECONDS)
    standing = one.standing()
    print(standing)
    assert (standing["verdict"] != "breach", standing["hold"], standing["armed"]) == (True, None, True)
    answers = one.clients.since(at)
    assert {status for status, _ in answers} == {200}
    assert 0.3 < sum(text == "candidate" for _, text in answers) / len(answers) < 0.6


@pytest.mark.parametrize("failing", [30, 100])
def test_a_failing_candidate_is_taken_back_and_no_client_notices(guarded, failing):
    """Legacy answers in its place until the sentinel has written the route; by itself, and once."""
    one = guarded(failing=failing)
    one.give(0.5)
    at = time.time()
    until(lambda: one.router.read(one.model).attempt is None, "the candidate is taken back", SECONDS)
    tombstone = one.router.tombstone(one.model, one.attempt)
    assert (tombstone.by, tombstone.reason.partition(":")[0]) == ("sentinel", "errors")
    time.sleep(3)
    print(f"{failing} % failing: verdict {tombstone.at_seconds - at:.1f} s after the weight")
    if last := one.clients.last("candidate"):
        print(
            f"the candidate's last answer to a client {last - tombstone.at_seconds:.2f} s after the verdict"
        )
    answers = one.clients.since(at)
    assert {status for status, _ in answers} == {200}
    assert len(answers) > 100
    assert {text for _, text in one.clients.since(time.time() - 1)} == {"legacy"}


@contextlib.contextmanager
def controller_away(writer):
    """Envoy Gateway's controller is away; its proxies go on with what they know."""
    writer.call("PATCH", CONTROLLER, None, {"spec": {"replicas": 0}}, content=MERGE)
    try:
        until(lambda: not writer.call("GET", *ITS_PODS)["items"], "the controller's end", SECONDS)
        yield
    finally:
        writer.call("PATCH", CONTROLLER, None, {"spec": {"replicas": 1}}, content=MERGE)
        until(lambda: objects.available(writer.call("GET", CONTROLLER)), "the controller", SECONDS)


def test_without_the_controller_a_candidate_is_taken_back_all_the_same(guarded, writer):
    """Proxies are told of no route then: the candidate's door shuts, for the sentinel vouches no more."""
    one = guarded(failing=0)
    one.give(0.5)
    until(lambda: one.clients.last("candidate"), "answers of the candidate", SECONDS)
    with controller_away(writer):
        at = time.time()
        until(lambda: one.clients.last("candidate") > at, "answers without the controller", SECONDS)
        decided = time.time()
        one.router.roll_back(one.model, one.attempt, reason="by hand", by="the test")
        time.sleep(5)
        print(
            f"the candidate's last answer {one.clients.last('candidate') - decided:.2f} s after the decision"
        )
        assert {text for _, text in one.clients.since(time.time() - 2)} == {"legacy"}
    assert {status for status, _ in one.clients.since(at)} == {200}
