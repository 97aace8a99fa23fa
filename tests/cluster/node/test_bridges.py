"""Models whose clients speak V1, behind their bridge on a real node: Python on Ray Serve, and Triton.

Everything that the adapter applies is KubeRay's, the kubelet's and Ray's own to run.
"""

import pytest

from runtimes import Source
from runtimes.kubernetes import deployed
from runtimes.kubernetes.served import object_name
from runtimes.ray_serve import packaging
from runtimes.triton import Triton
from tests.cluster.node.places import ALL, RAY
from tests.digits import digits_as_onnx
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Tensor, Wire
from turnout.domain.route import RoutePolicy
from turnout.domain.targets import TargetRuntime
from turnout.domain.workload import Component, Workload
from turnout.fabric.own_processes import OwnProcesses
from turnout.lab.cluster.node import store

CODE = """
class Predictor:
    def __init__(self, directory):
        self.factor = int((directory / "factor").read_text())

    def predict(self, instances):
        if instances and instances[0] == [0, 0, 0]:
            raise ValueError("asked to fail")
        return [self.factor * sum(row) for row in instances]
"""
SECONDS = 240
"""Ray and its applications start in a minute on two idle cores; loaded ones need a multiple."""
ROWS = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """No node has to come here, and no image: what does not start by then never will."""
    monkeypatch.setattr(deployed, "START_SECONDS", dict.fromkeys(TargetRuntime, SECONDS))


@pytest.fixture(scope="module")
def images(cluster):
    """The images of Ray and of Triton, on the node."""
    built = store.of(cluster.root)
    names = {"ray_serve": "ray-models", "triton": "triton"}
    return {"worker": "nobody-fetches"} | {name: built.build(image, print) for name, image in names.items()}


def contract_of(model):
    """Three numbers in, one out."""
    return Contract(
        model=model, wire=Wire.V1, inputs=(Tensor(name="features", datatype="FP64", shape=(-1, 3)),),
        outputs=(Tensor(name="number", datatype="FP64", shape=(-1,)),),
        same_answer=SameAnswer(kind=AnswerKind.REGRESSION),
        policy=RoutePolicy(try_seconds=20.0, request_seconds=30.0),
    )  # fmt: skip


def v1(place, endpoint):
    """What a V1 client is told."""
    model = place.assignment.model
    assert place.ask(endpoint, f"/v1/models/{model}") == (200, {"name": model, "ready": True})
    status, answer = place.ask(endpoint, f"/v1/models/{model}:predict", {"instances": "none"})
    assert (status, set(answer)) == (400, {"error"})
    assert place.ask(endpoint, "/v1/models/other:predict", {"instances": ROWS})[0] == 404
    return place.ask(endpoint, f"/v1/models/{model}:predict", {"instances": ROWS})


def test_a_python_model_answers_v1_clients_and_goes(place_of, tmp_path):
    """One RayService with the package's application and the bridge; deployed again nothing changes."""
    contract, place = contract_of("sums"), place_of("sums", "ray_serve", cpu=0.5, memory_gib=2)
    (tmp_path / "sums").mkdir()
    (tmp_path / "sums" / "predictor.py").write_text(CODE)
    (tmp_path / "sums" / "factor").write_text("7")
    part = Component(role="predictor", framework="custom", requests={"cpu": "500m"})
    source = Source(
        contract, Workload(name="sums", framework="custom", components=(part,)), tmp_path / "sums", []
    )
    package = tmp_path / "package"
    package.mkdir()
    place.bring(package, packaging.lay_out(source, package), contract)
    endpoint = place.ray_serve.deploy(place.attempt, contract, package)
    assert v1(place, endpoint) == (200, {"predictions": [42.0, 105.0]})
    status, answer = place.ask(endpoint, "/v1/models/sums:predict", {"instances": [[0, 0, 0]]})
    assert status == 502, answer
    assert "asked to fail" in answer["error"]
    there = place.of(*RAY)
    assert place.ray_serve.deploy(place.attempt, contract, package) == endpoint
    assert place.of(*RAY) == there
    assert v1(place, endpoint)[0] == 200
    place.ray_serve.undeploy(place.attempt)
    assert place.of(*ALL) == {}


def test_a_triton_model_answers_v1_clients_through_its_bridge_and_goes(place_of, tmp_path):
    """Triton as it is for V2 clients, and a RayService of the bridge alone: two names, one attempt."""
    contract, place = contract_of("digits"), place_of("digits", "triton", cpu=0.2, memory_gib=1, replicas=2)
    package = tmp_path / "package"
    package.mkdir()
    own = OwnProcesses()
    config = Triton(own.state, own).lay_out(digits_as_onnx(tmp_path / "onnx")["FP64"], contract, package)
    place.bring(package, config | {"bridge": "ray_serve"}, contract)
    triton = place.triton.deploy(place.attempt, contract, package)
    endpoint = place.ray_serve.deploy(place.attempt, contract, triton)
    assert endpoint != triton
    assert v1(place, endpoint) == (200, {"predictions": [123.0, 456.0]})
    before = list(place.asked_of_each())
    for _ in range(20):
        assert place.ask(endpoint, "/v1/models/digits:predict", {"instances": ROWS})[0] == 200
    after = list(place.asked_of_each())
    assert sorted(now - then for now, then in zip(after, before, strict=True)) == [10, 10]
    there = place.of(*RAY, ("apps/v1", "Deployment"))
    assert len(there) == 3
    assert ("RayService", object_name("ray_serve", place.attempt)) in there
    assert place.triton.deploy(place.attempt, contract, package) == triton
    assert place.ray_serve.deploy(place.attempt, contract, triton) == endpoint
    assert place.of(*RAY, ("apps/v1", "Deployment")) == there
    place.ray_serve.undeploy(place.attempt)
    place.triton.undeploy(place.attempt)
    assert place.of(*ALL) == {}
