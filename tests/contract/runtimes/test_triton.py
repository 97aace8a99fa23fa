"""Triton, for real: a package is served as its contract says, and the lab's faults go in and out."""

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput

from runtimes import Endpoint, wire
from runtimes.triton import Triton, repository, server_name
from turnout.domain.contract import Transformer, Wire
from turnout.domain.errors import InvalidInputError, TemporaryError
from turnout.fabric.own_processes import OwnProcesses
from turnout.lab import faults

MODEL, ATTEMPT = "digits", "digits-1"


@pytest.fixture(scope="module")
def contract(contract_of):
    """What the clients of the model were promised."""
    return contract_of(MODEL, Wire.V2, "FP32")


@pytest.fixture(scope="module")
def triton(state, servers):
    """The runtime under test."""
    return Triton(state, servers)


@pytest.fixture(scope="module")
def package(triton, contract, digits, tmp_path_factory):
    """A laid-out package."""
    directory = tmp_path_factory.mktemp("package")
    triton.lay_out(digits["FP32"], contract, directory)
    return directory


@pytest.fixture
def endpoint(triton, contract, package):
    """The deployed model; the second and every later call finds it."""
    return triton.deploy(ATTEMPT, contract, package)


@pytest.fixture
def fault(state):
    """Puts a fault in for one test."""
    yield lambda kind, **parameters: faults.put(state.root, ATTEMPT, kind, **parameters)
    faults.lift(state.root, ATTEMPT)


def ask(endpoint, contract, *rows, datatype="FP64"):
    """Send rows as a V2 client does."""
    flat = [float(value) for row in rows for value in row]
    tensor = {"name": "features", "shape": [len(rows), len(rows[0])], "datatype": datatype, "data": flat}
    body = json.dumps({"id": "7", "inputs": [tensor]}).encode()
    return wire.predict(endpoint, contract, body, timeout_seconds=20)


def data(reply):
    """The values of an answer."""
    assert reply.status == 200, reply.body
    return reply.parsed()["outputs"][0]["data"]


def test_a_v2_client_sees_the_tensors_that_it_knows(endpoint, contract):
    """Names, data types and shapes of the metadata and of an answer are the contract's."""
    metadata = httpx.get(f"http://{endpoint.host}:{endpoint.port}/v2/models/{MODEL}").json()
    assert metadata["inputs"] == [{"name": "features", "datatype": "FP64", "shape": [-1, 3]}]
    assert metadata["outputs"] == [{"name": "number", "datatype": "FP32", "shape": [-1, 1]}]
    answer = ask(endpoint, contract, (1, 2, 3), (4, 5, 6)).parsed()
    assert (answer["id"], answer["model_name"]) == ("7", MODEL)
    assert answer["outputs"] == [{"name": "number", "datatype": "FP32", "shape": [2, 1], "data": [123, 456]}]


def test_grpc_gives_the_same_answer(endpoint):
    """The bridge's way in serves the same model."""
    given = InferInput("features", [1, 3], "FP64").set_data_from_numpy(np.asarray([[7.0, 8.0, 9.0]]))
    with InferenceServerClient(f"{endpoint.host}:{endpoint.grpc_port}") as client:
        assert client.infer(MODEL, [given]).as_numpy("number").tolist() == [[789.0]]


def test_each_of_many_requests_at_once_gets_its_own_answer(endpoint, contract):
    """Requests are batched together and taken apart again without mixing them up."""
    rows = [(n % 10, n // 10 % 10, n // 100) for n in range(120)]
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda row: data(ask(endpoint, contract, row)), rows))
    assert answers == [[100 * a + 10 * b + c] for a, b, c in rows]


@pytest.mark.parametrize(("rows", "datatype"), [([(1, 2)], "FP64"), ([(1, 2, 3)], "FP32")])
def test_a_request_of_another_form_is_refused(endpoint, contract, rows, datatype):
    """It is the client's error, said so, and the next request is answered."""
    reply = ask(endpoint, contract, *rows, datatype=datatype)
    assert reply.status == 400
    assert "error" in reply.parsed()
    assert data(ask(endpoint, contract, (1, 2, 3))) == [123]


def test_a_second_deployment_finds_the_first(triton, servers, contract, package, endpoint):
    """A flow that is started again gets the same endpoint, and the server is not started again."""
    before = servers.status(server_name(ATTEMPT))
    assert Triton(triton._state, servers).deploy(ATTEMPT, contract, package) == endpoint
    assert servers.status(server_name(ATTEMPT)).pid == before.pid


def test_reversed_features_answer_wrong_and_well_formed(endpoint, contract, fault):
    """A mixed-up feature order changes the answers of a package that was proved."""
    fault("reversed_features")
    assert data(ask(endpoint, contract, (1, 2, 3))) == [321]


def test_rounded_features_answer_a_little_wrong(endpoint, contract, fault):
    """A preprocessing that rounds: well-formed, near, and not the same."""
    fault("rounded_features")
    assert data(ask(endpoint, contract, (1.26, 2, 3))) == [153]


def test_reversed_classes_answer_for_the_other_class(endpoint, contract, fault):
    """Of one column the other class: 1 - p."""
    fault("reversed_classes")
    assert data(ask(endpoint, contract, (0, 0, 0.25))) == [0.75]


def test_nonsense_is_well_formed(endpoint, contract, fault):
    """Wrong answers come with status 200 and the contract's shape."""
    fault("nonsense")
    assert data(ask(endpoint, contract, (1, 2, 3))) == [1123]


def test_failing_answers_with_a_server_error(endpoint, contract, fault):
    """A failing candidate says 500, for which the router asks legacy; once lifted it answers again."""
    fault("failing", share=1.0)
    assert ask(endpoint, contract, (1, 2, 3)).status == 500
    fault("failing", share=0.0)
    assert data(ask(endpoint, contract, (1, 2, 3))) == [123]


def test_a_share_fails_and_the_others_of_the_batch_do_not(endpoint, contract, fault):
    """At 50 % some fail and some are answered; each answer is its own request's."""
    fault("failing", share=0.5)
    rows = [(n % 10, n // 10, 0) for n in range(60)]
    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda row: ask(endpoint, contract, row), rows))
    assert {r.status for r in replies} == {200, 500}
    for (a, b, _), reply in zip(rows, replies, strict=True):
        if reply.status == 200:
            assert data(reply) == [100 * a + 10 * b]


@pytest.mark.parametrize("kind", ["slow", "hanging"])
def test_a_slow_candidate_is_slow(endpoint, contract, fault, kind):
    """The delay is at least what was asked for."""
    fault(kind, seconds=0.3)
    assert ask(endpoint, contract, (1, 2, 3)).seconds >= 0.3


def test_a_transformer_and_its_predictor_answer_as_one_model(triton, contract, digits, tmp_path):
    """The owner's functions run in Triton around the model; a request that they refuse fails alone."""
    code = tmp_path / "transformer.py"
    code.write_text(
        "def preprocess(rows):\n"
        "    if (rows < 0).any():\n"
        "        raise ValueError('negative')\n"
        "    return rows[:, ::-1]\n\n"
        "def postprocess(numbers):\n"
        "    return numbers + 0.5\n"
    )
    inner = Transformer(file=code.name, input=contract.inputs[0], output=contract.outputs[0])
    both = contract.model_copy(update={"transformer": inner})
    repository.write_ensemble(digits["FP32"], code, both, tmp_path / "package")
    try:
        endpoint = triton.deploy("digits-6", both, tmp_path / "package")
        rows = [(n % 10, n // 10, 0) for n in range(40)]
        with ThreadPoolExecutor(8) as pool:
            refused = pool.submit(ask, endpoint, both, (-1, 0, 0))
            answers = list(pool.map(lambda row: data(ask(endpoint, both, row)), rows))
        assert answers == [[a + 10 * b + 0.5] for a, b, _ in rows]
        assert refused.result().status == 500
        assert "negative" in refused.result().body.decode()
    finally:
        triton.undeploy("digits-6")


def test_undeploying_frees_everything(triton, servers, contract, package):
    """The server is gone, saying so again is harmless, and the model can be deployed anew."""
    for _ in range(2):
        endpoint = triton.deploy("digits-9", contract, package)
        assert data(ask(endpoint, contract, (1, 2, 3))) == [123]
        triton.undeploy("digits-9")
        assert not wire.is_ready(endpoint, contract)
    triton.undeploy("digits-9")
    assert servers.status(server_name("digits-9")).state == "stopped"


def test_a_model_that_does_not_load_is_not_ready(state, servers, contract, tmp_path, monkeypatch):
    """The error names what Triton said, instead of a deployment that never answers."""
    monkeypatch.setattr("runtimes.triton.READY_WITHIN_SECONDS", 6.0)
    broken = Triton(state, servers)
    model = tmp_path / "broken.onnx"
    model.write_bytes(b"no model")
    broken.lay_out(model, contract, tmp_path / "package")
    try:
        with pytest.raises(TemporaryError, match="triton-digits-8"):
            broken.deploy("digits-8", contract, tmp_path / "package")
    finally:
        broken.undeploy("digits-8")


def test_triton_stands_in_front_of_nothing(triton, contract):
    """It serves a package's directory; an endpoint is a bridge's matter."""
    with pytest.raises(InvalidInputError, match="bridge"):
        triton.deploy("digits-7", contract, Endpoint(host="127.0.0.1", port=1))


def test_a_package_is_tried_where_no_lab_runs(contract, package):
    """As in a flow's pod on a cluster: under a supervisor of this process alone, of which nothing is left."""
    own = OwnProcesses()
    tensor = {"name": "features", "shape": [1, 3], "datatype": "FP64", "data": [1.0, 2.0, 3.0]}
    with Triton(own.state, own)._trial(contract, package) as trying:
        assert trying.answer({"inputs": [tensor]})["outputs"][0]["data"] == [123]
    assert not own.state.root.exists()
