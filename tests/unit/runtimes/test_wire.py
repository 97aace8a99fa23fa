"""Requests and answers of both protocols are read and written as clients know them."""

import pytest

from runtimes import wire
from turnout.domain.comparison import compare
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Tensor, Wire
from turnout.domain.errors import InvalidInputError


def contract(protocol: Wire) -> Contract:
    """A model of two features and one number."""
    return Contract(
        model="m",
        wire=protocol,
        inputs=(Tensor(name="features", datatype="FP32", shape=(-1, 2)),),
        outputs=(Tensor(name="predict", datatype="FP32", shape=(-1, 1) if protocol is Wire.V2 else (-1,)),),
        same_answer=SameAnswer(kind=AnswerKind.REGRESSION),
    )


V1, V2 = contract(Wire.V1), contract(Wire.V2)


def v2(name="features", shape=(2, 2), data=(1.0, 2.0, 3.0, 4.0)):
    """A V2 request."""
    return {"inputs": [{"name": name, "shape": list(shape), "datatype": "FP32", "data": data}]}


def test_the_paths_are_the_protocols():
    """V1 and V2 as KServe documents them."""
    assert (wire.predict_path(V1), wire.ready_path(V1)) == ("/v1/models/m:predict", "/v1/models/m")
    assert (wire.predict_path(V2), wire.ready_path(V2)) == ("/v2/models/m/infer", "/v2/models/m/ready")


@pytest.mark.parametrize(
    "body", [v2(), v2(data=[[1.0, 2.0], [3.0, 4.0]]), v2(name="another name")], ids=["flat", "nested", "name"]
)
def test_a_v2_tensor_is_read(body):
    """Flat or nested, and by any name where there is only one: MLServer minds no names."""
    assert wire.input_of(V2, body) == [[1.0, 2.0], [3.0, 4.0]]


def test_v1_instances_are_read():
    """Rows as they stand."""
    assert wire.input_of(V1, {"instances": [[1, 2]]}) == [[1, 2]]


@pytest.mark.parametrize(
    ("made", "body"),
    [(V2, {}), (V2, v2(shape=(3, 2))), (V2, {"inputs": []}), (V2, []), (V1, {}), (V1, v2()["inputs"])],
)
def test_a_request_of_another_form_is_refused(made, body):
    """One clear error that names the model."""
    with pytest.raises(InvalidInputError, match="request to m"):
        wire.input_of(made, body)


@pytest.mark.parametrize("made", [V1, V2])
def test_an_answer_compares_equal_with_legacys(made):
    """What is made of the converted model's output has the form of what legacy answers."""
    legacy = {"predictions": [0.5, 0.25]}
    if made is V2:
        output = {"name": "predict", "shape": [2, 1], "datatype": "FP32", "data": [0.5, 0.25]}
        legacy = {"model_name": "m", "id": "7", "outputs": [{**output, "parameters": {"content_type": "np"}}]}
    assert not compare(made, legacy, wire.answer_with(made, [[0.5], [0.25]])).differs
    assert compare(made, legacy, wire.answer_with(made, [[0.5], [0.75]])).differs


def test_a_body_that_is_no_json_is_none():
    """A reply can always be asked for its body."""
    assert wire.Reply(502, b"<html>", 0.1).parsed() is None
    assert wire.Reply(200, b"[1]", 0.1).parsed() == [1]


def test_openais_paths_are_below_kserves_prefix_and_follow_the_request():
    """Chats, texts and embeddings each have their own; both arms answer below /openai."""
    contract = Contract(model="m", wire=Wire.OPENAI, same_answer=SameAnswer(kind=AnswerKind.TEXT))
    bodies = {
        b'{"messages": []}': "chat/completions",
        b'{"prompt": "a"}': "completions",
        b'{"input": "a"}': "embeddings",
    }
    for body, path in bodies.items():
        assert wire.predict_path(contract, body) == f"/openai/v1/{path}"
    assert wire.ready_path(contract) == "/openai/v1/models"
