import json

import pytest

from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Tensor, Wire
from turnout.lab import exchange


def contract(wire: Wire) -> Contract:
    """A contract with two inputs a row."""
    return Contract(
        model="m",
        wire=wire,
        inputs=(Tensor(name="features", datatype="FP32", shape=(-1, 2)),),
        outputs=(Tensor(name="predict", datatype="FP32", shape=(-1, 1)),),
        same_answer=SameAnswer(kind=AnswerKind.PROBABILITIES),
    )


V1, V2 = contract(Wire.V1), contract(Wire.V2)


def test_a_v1_request_names_instances():
    """V1 clients send rows as they are."""
    assert json.loads(exchange.request(V1, [[1.0, 2.0]])) == {"instances": [[1.0, 2.0]]}


def test_a_v2_request_is_one_flat_tensor_of_the_contract():
    """V2 clients send name, data type and shape of the contract, and the data flat."""
    [tensor] = json.loads(exchange.request(V2, [[1.0, 2.0], [3.0, 4.0]]))["inputs"]

    assert tensor == {
        "name": "features", "datatype": "FP32", "shape": [2, 2], "data": [1.0, 2.0, 3.0, 4.0]
    }  # fmt: skip


def test_a_row_may_be_one_text():
    """Strings go as they are: V1 as instances, V2 as a tensor of BYTES with one text a row."""
    text = V2.model_copy(update={"inputs": (Tensor(name="text", datatype="BYTES", shape=(-1, 1)),)})

    assert json.loads(exchange.request(V1, ["a", "b"])) == {"instances": ["a", "b"]}
    [tensor] = json.loads(exchange.request(text, ["a", "b"]))["inputs"]
    assert tensor == {"name": "text", "datatype": "BYTES", "shape": [2, 1], "data": ["a", "b"]}


def test_an_answer_is_held_against_the_contracts_output():
    """Several probabilities a row are one answer, and text is an answer only where text was promised."""
    three = V2.model_copy(update={"outputs": (Tensor(name="p", datatype="FP32", shape=(-1, 3)),)})
    text = V1.model_copy(update={"outputs": (Tensor(name="kind", datatype="BYTES", shape=(-1,)),)})

    def fault(found: Contract, body: dict[str, object]) -> str | None:
        return exchange.fault(found, 2, 200, json.dumps(body).encode())

    assert fault(three, {"outputs": [{"name": "p", "data": [0.1, 0.2, 0.7, 0.3, 0.3, 0.4]}]}) is None
    assert fault(three, {"outputs": [{"name": "p", "data": [0.1, 0.2, 0.7]}]}) is not None
    assert fault(text, {"predictions": ["rose", "iris"]}) is None
    assert fault(text, {"predictions": [1, 2]}) is not None


@pytest.mark.parametrize(
    ("found", "body"),
    [
        (V1, {"predictions": [1, 2]}),
        (V2, {"outputs": [{"name": "other", "data": []}, {"name": "predict", "data": [0.1, 0.9]}]}),
    ],
)
def test_a_complete_answer_has_no_fault(found: Contract, body: dict[str, object]):
    """An answer with a number for each row is what the client was promised."""
    assert exchange.fault(found, 2, 200, json.dumps(body).encode()) is None


@pytest.mark.parametrize(
    ("found", "status", "body"),
    [
        (V1, 503, b'{"predictions": [1, 2]}'),
        (V1, 200, b"<html>"),
        (V1, 200, b"\xff"),
        (V1, 200, b"[]"),
        (V1, 200, b'{"error": "no"}'),
        (V1, 200, b'{"predictions": [1]}'),
        (V1, 200, b'{"predictions": [1, 2, 3]}'),
        (V1, 200, b'{"predictions": [1, "two"]}'),
        (V1, 200, b'{"predictions": [1, NaN]}'),
        (V1, 200, b'{"predictions": 2}'),
        (V2, 200, b'{"outputs": []}'),
        (V2, 200, b'{"outputs": [{"name": "other", "data": [1, 2]}]}'),
        (V2, 200, b'{"outputs": [{"name": "predict", "data": [1]}]}'),
        (V2, 200, b'{"predictions": [1, 2]}'),
    ],
)
def test_anything_else_is_a_failure(found: Contract, status: int, body: bytes):
    """The client counts a request as answered only when it got what it asked for."""
    assert exchange.fault(found, 2, status, body) is not None
