"""The V1 bridge on a real Ray cluster in front of a real Triton: a V1 client notices nothing."""

import json
from collections.abc import Iterator

import httpx
import pytest

from runtimes import Endpoint, Source, wire
from runtimes.bridges.lines import Bridged
from runtimes.ray_serve import RayServe
from runtimes.triton import Triton
from turnout.domain.contract import Wire
from turnout.domain.errors import InvalidInputError, UnreachableError, UnsupportedError
from turnout.domain.route import RoutePolicy
from turnout.domain.workload import Workload
from turnout.fabric import ports
from turnout.lab import faults, ray_head
from turnout.lab.lab_ports import NAMES

LABELS, NUMBERS = "labels", "numbers"
PREDICTOR = """
class Predictor:
    def __init__(self, directory):
        pass

    def predict(self, instances):
        if min(map(min, instances)) < 0:
            raise ValueError("below zero")
        return [sum(row) for row in instances]
"""


@pytest.fixture(scope="module")
def ray_ports(state, servers) -> Iterator[dict[str, int]]:
    """The lab's Ray head with Serve on it; ends with the module."""
    chosen: dict[str, int] = {}
    for name in (n for n in NAMES if n.startswith("ray-")):
        chosen[name] = ports.pick(set(chosen.values()))
    try:
        servers.ensure(ray_head.spec(state, chosen), ready_within_seconds=120)
        ray_head.start_serve(servers, chosen, within_seconds=150)
        yield chosen
    finally:
        servers.stop(ray_head.NAME)
        ray_head.clear(state)


@pytest.fixture(scope="module")
def bridge(state, ray_ports):
    """The runtime under test."""
    dashboard = f"http://127.0.0.1:{ray_ports['ray-dashboard']}"
    return RayServe(state, dashboard=dashboard, proxy=f"http://127.0.0.1:{ray_ports['ray-serve']}")


@pytest.fixture(scope="module")
def contracts(contract_of):
    """Two models of V1 clients: one answers with whole numbers, one with fractions."""
    policy = RoutePolicy(try_seconds=1.5)
    return {
        LABELS: contract_of(LABELS, Wire.V1, "INT64", policy=policy),
        NUMBERS: contract_of(NUMBERS, Wire.V1, "FP64", policy=policy),
    }


@pytest.fixture(scope="module")
def tritons(state, servers, contracts, digits, tmp_path_factory):
    """Both models on Triton."""
    triton = Triton(state, servers)
    at = {}
    for model, contract in contracts.items():
        directory = tmp_path_factory.mktemp(model)
        triton.lay_out(digits[contract.outputs[0].datatype], contract, directory)
        at[model] = triton.deploy(f"{model}-1", contract, directory)
    return at


@pytest.fixture
def endpoint(bridge, contracts, tritons):
    """Both models behind the bridge; later calls find them there."""
    for model in (NUMBERS, LABELS):
        found = bridge.deploy(f"{model}-1", contracts[model], tritons[model])
    return found


def ask(endpoint, contract, content):
    """Send a body as a V1 client does."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return wire.predict(endpoint, contract, body, timeout_seconds=20)


@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_whole_numbers_come_back_whole(endpoint, contracts, key):
    """Labels are answered as KServe's scikit-learn server answers them, for both names of the rows."""
    reply = ask(endpoint, contracts[LABELS], {key: [[1, 2, 3], [4, 5, 6.0]]})
    assert (reply.status, reply.body) == (200, b'{"predictions":[123,456]}')


def test_fractions_come_back_as_fractions(endpoint, contracts):
    """A regression's answer is a flat list of floating-point numbers."""
    reply = ask(endpoint, contracts[NUMBERS], {"instances": [[1, 2, 3.5]]})
    assert (reply.status, reply.body) == (200, b'{"predictions":[123.5]}')


def test_models_are_listed_and_ready(endpoint, contracts):
    """The paths of KServe's V1 protocol beside predict."""
    base = f"http://{endpoint.host}:{endpoint.port}/v1/models"
    assert httpx.get(base).json() == {"models": [LABELS, NUMBERS]}
    assert httpx.get(f"{base}/{LABELS}").json() == {"name": LABELS, "ready": True}
    assert wire.is_ready(endpoint, contracts[NUMBERS])


def test_an_unknown_model_is_not_found(endpoint, contracts):
    """As KServe says it."""
    unknown = contracts[LABELS].model_copy(update={"model": "unknown"})
    reply = ask(endpoint, unknown, {"instances": [[1, 2, 3]]})
    assert (reply.status, reply.parsed()) == (404, {"error": "Model with name unknown does not exist."})
    assert not wire.is_ready(endpoint, unknown)


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        [],
        {},
        {"instances": []},
        {"instances": 7},
        {"instances": [[1, 2]]},
        {"instances": [[1, 2, 3], [1]]},
        {"instances": [["a", "b", "c"]]},
        {"instances": [[None, 1, 2]]},
    ],
)
def test_malformed_requests_are_the_clients_error(endpoint, contracts, content):
    """400 with an error in KServe's form; Triton is not asked."""
    reply = ask(endpoint, contracts[LABELS], content)
    assert reply.status == 400
    assert list(reply.parsed()) == ["error"]


def test_a_failing_triton_is_a_server_error(endpoint, contracts, state):
    """A status for which the router asks legacy instead, and nothing after the fault is lifted."""
    faults.put(state.root, f"{LABELS}-1", "failing", share=1.0)
    try:
        reply = ask(endpoint, contracts[LABELS], {"instances": [[1, 2, 3]]})
    finally:
        faults.lift(state.root, f"{LABELS}-1")
    assert reply.status == 502
    assert "fault put in" in reply.parsed()["error"]
    assert ask(endpoint, contracts[LABELS], {"instances": [[1, 2, 3]]}).status == 200


def test_a_hanging_triton_is_given_up(endpoint, contracts, state):
    """The bridge waits no longer than the contract lets one try take; another model is answered meanwhile."""
    faults.put(state.root, f"{LABELS}-1", "hanging", seconds=2.5)
    try:
        reply = ask(endpoint, contracts[LABELS], {"instances": [[1, 2, 3]]})
        other = ask(endpoint, contracts[NUMBERS], {"instances": [[1, 2, 3]]})
    finally:
        faults.lift(state.root, f"{LABELS}-1")
    assert (reply.status, other.status) == (504, 200)


def test_a_dead_triton_is_unavailable(bridge, endpoint, contracts):
    """A runtime that is gone: 503, and the model is not ready."""
    gone = contracts[LABELS].model_copy(update={"model": "gone"})
    at = Endpoint(host="127.0.0.1", port=ports.pick(), grpc_port=ports.pick())
    lines = bridge._desired.lines(Wire.V1)
    known = lines[LABELS]
    assert isinstance(known, Bridged)
    changes = {"attempt": "gone-1", "model": "gone", "address": f"{at.host}:{at.grpc_port}"}
    with bridge._desired.alone():
        bridge._desired.keep_lines(Wire.V1, lines | {"gone": known.model_copy(update=changes)})
        bridge._apply({"bridge-v1"})
    assert ask(endpoint, gone, {"instances": [[1, 2, 3]]}).status == 503
    assert not wire.is_ready(endpoint, gone)
    bridge.undeploy("gone-1")


def test_a_second_deployment_changes_nothing(bridge, endpoint, contracts, tritons):
    """A flow that is started again finds the application as it is."""
    before = bridge._serve.call("GET")["applications"]["bridge-v1"]["last_deployed_time_s"]
    assert bridge.deploy(f"{LABELS}-1", contracts[LABELS], tritons[LABELS]) == endpoint
    assert bridge._serve.call("GET")["applications"]["bridge-v1"]["last_deployed_time_s"] == before


def test_a_dead_attempt_takes_down_only_its_own(bridge, endpoint, contracts, tritons):
    """The end of an earlier attempt leaves the model to the later one; the end of that one takes it out."""
    bridge.deploy(f"{LABELS}-2", contracts[LABELS], tritons[LABELS])
    bridge.undeploy(f"{LABELS}-1")
    assert wire.is_ready(endpoint, contracts[LABELS])
    bridge.undeploy(f"{LABELS}-2")
    bridge.undeploy(f"{LABELS}-2")
    assert not wire.is_ready(endpoint, contracts[LABELS])
    assert wire.is_ready(endpoint, contracts[NUMBERS])


def test_serves_own_options_stay(bridge, endpoint, ray_ports):
    """Serve listens where the lab let it listen, before and after a deployment."""
    running = bridge._serve.call("GET")
    assert running["http_options"]["port"] == ray_ports["ray-serve"]
    assert endpoint.port == ray_ports["ray-serve"]


def test_what_is_no_package_is_refused(bridge, contracts, tmp_path):
    """A format that no loader opens, and a directory without an application."""
    workload = Workload(name=LABELS, framework="onnx")
    source = Source(contracts[LABELS], workload, tmp_path / "model.onnx", [])
    with pytest.raises(UnsupportedError):
        bridge.package(source, tmp_path, print)
    with pytest.raises(InvalidInputError):
        bridge.deploy("labels-3", contracts[LABELS], tmp_path)


def test_a_python_model_is_an_application_of_its_own(bridge, endpoint, contracts, tmp_path):
    """Its owner's code answers in its own environment, beside bridged models, and ends with its attempt."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "predictor.py").write_text(PREDICTOR)
    contract = contracts[NUMBERS].model_copy(update={"model": "python"})
    workload = Workload(name="python", framework="custom")
    source = Source(contract, workload, tmp_path / "code", [{"instances": [[1, 2, 3]]}])
    (package := tmp_path / "package").mkdir()
    made = bridge.package(source, package, print)
    assert made.answers == [{"predictions": [6]}]
    at = bridge.deploy("python-1", contract, package)
    try:
        reply = ask(at, contract, {"instances": [[1, 2, 3], [4, 5, 6]]})
        assert (reply.status, reply.parsed()) == (200, {"predictions": [6, 15]})
        failed = ask(at, contract, {"instances": [[-1, 0, 0]]})
        assert (failed.status, "below zero" in failed.parsed()["error"]) == (502, True)
    finally:
        bridge.undeploy("python-1")
    assert not wire.is_ready(at, contract)
    assert wire.is_ready(endpoint, contracts[NUMBERS])
    assert not list(package.rglob("__pycache__")), "a package stays as its digests say"


def test_a_ray_that_does_not_answer_is_unreachable(state, contracts, tritons):
    """The error says so at once."""
    dead = f"http://127.0.0.1:{ports.pick()}"
    nobody = RayServe(type(state)(state.root / "elsewhere"), dashboard=dead, proxy=dead)
    with pytest.raises(UnreachableError, match="Ray at"):
        nobody.deploy("labels-4", contracts[LABELS], tritons[LABELS])
