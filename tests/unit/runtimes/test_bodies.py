"""V1 bodies become tensors and predictions as KServe's scikit-learn server reads and writes them."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.bridges.bodies import (
    MalformedError,
    from_tensors,
    instances,
    predictions,
    to_tensor,
    to_tensors,
)
from turnout.domain.contract import Tensor

ROWS = Tensor(name="instances", datatype="FP64", shape=(-1, 2))
FLAT = Tensor(name="predictions", datatype="INT64", shape=(-1,))
TABLE = Tensor(name="predictions", datatype="FP64", shape=(-1, 2))


def test_inputs_win_over_instances():
    """KServe reads `inputs` where a body has both."""
    assert instances({"inputs": [1], "instances": [2]}) == [1]
    assert instances({"instances": [2]}) == [2]


@pytest.mark.parametrize("body", [None, [], {}, {"instances": []}, {"inputs": "x"}, {"instances": None}])
def test_a_body_without_instances_is_malformed(body):
    """The client is told what was expected."""
    with pytest.raises(MalformedError, match="Expected"):
        instances(body)


@pytest.mark.parametrize(
    "rows", [[[1, 2, 3]], [1, 2], [[1], [1, 2]], [["a", "b"]], [[None, 1]], [[[1, 2]]], [{}]]
)
def test_rows_of_another_form_are_malformed(rows):
    """Wrong shape or wrong kind: nothing is guessed."""
    with pytest.raises(MalformedError, match="instances"):
        to_tensor(rows, ROWS)


def test_fractions_are_not_cut_to_whole_numbers():
    """A model of whole numbers does not silently get others."""
    with pytest.raises(MalformedError, match="INT64"):
        to_tensor([[1.5, 2]], ROWS.model_copy(update={"datatype": "INT64"}))


@given(
    st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2), min_size=1)
)
def test_numbers_arrive_unchanged(rows):
    """A double that a client wrote reaches the model as that double."""
    tensor = to_tensor(json.loads(json.dumps(rows)), ROWS)
    assert (tensor.dtype, tensor.tolist()) == (np.float64, rows)


def test_predictions_keep_their_kind():
    """Whole numbers stay whole, fractions stay fractions, text becomes text, tables stay tables."""
    column = np.asarray([[1], [2]])
    assert json.dumps(predictions(column, FLAT)) == '{"predictions": [1, 2]}'
    assert json.dumps(predictions(column.astype(float), FLAT)) == '{"predictions": [1.0, 2.0]}'
    assert predictions(np.asarray([[b"a"], ["b"]], dtype=object), FLAT) == {"predictions": ["a", "b"]}
    assert predictions(np.asarray([[0.25, 0.75]]), TABLE) == {"predictions": [[0.25, 0.75]]}


TEXT = Tensor(name="text", datatype="BYTES", shape=(-1, 1))


def test_texts_become_a_column_of_objects():
    """Triton's client takes text of any length as objects; one text an instance is a column."""
    found = to_tensor(["naïve", "日本", ""], TEXT)
    assert (found.dtype, found.tolist()) == (np.object_, [["naïve"], ["日本"], [""]])


@pytest.mark.parametrize("rows", [["a", 1], [["a", "b"]], [None]])
def test_what_is_no_text_is_malformed(rows):
    """A number among texts, or two texts for one, is the client's error."""
    with pytest.raises(MalformedError):
        to_tensor(rows, TEXT)


def test_text_comes_back_as_text():
    """Triton answers in bytes; a V1 client reads text."""
    answer = np.asarray([["größer".encode()], [b"b"]], dtype=np.object_)
    flat = Tensor(name="label", datatype="BYTES", shape=(-1,))
    assert predictions(answer, flat) == {"predictions": ["größer", "b"]}


def test_tensors_become_rows_and_rows_tensors():
    """A V2 client of a Python model sends and gets tensors; the model sees rows."""
    asked = {"inputs": [{"name": "instances", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 3, 4]}]}
    assert from_tensors(asked, ROWS) == [[1, 2], [3, 4]]
    assert to_tensors("m", [[1.5, 2.5]], TABLE, "7") == {
        "model_name": "m",
        "id": "7",
        "outputs": [{"name": "predictions", "datatype": "FP64", "shape": [1, 2], "data": [1.5, 2.5]}],
    }


def test_texts_travel_as_rows():
    """A tensor of text is a list of texts."""
    text = Tensor(name="text", datatype="BYTES", shape=(-1,))
    asked = {"inputs": [{"name": "text", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]}]}
    assert from_tensors(asked, text) == ["a", "b"]


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"inputs": []},
        {"inputs": [{"name": "a"}]},
        {"inputs": [{"name": "a", "shape": [3], "data": [1, 2]}]},
        {"inputs": [{"name": "a", "shape": [1], "data": [1]}, {"name": "b", "shape": [1], "data": [1]}]},
    ],
)
def test_a_body_without_the_tensor_is_malformed(body):
    """The client's error, said before the model is asked."""
    with pytest.raises(MalformedError):
        from_tensors(body, ROWS)
