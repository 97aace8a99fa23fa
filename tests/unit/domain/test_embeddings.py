import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.domain.comparison import compare
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Wire
from turnout.domain.vectors import cosine

vectors = st.lists(st.floats(-1e200, 1e200).filter(lambda one: abs(one) > 1e-6), min_size=2, max_size=8)


def _contract(wire="v1", **same):
    return Contract(
        model="m",
        wire=Wire(wire),
        inputs=(),
        outputs=(),
        same_answer=SameAnswer(kind=AnswerKind.EMBEDDING, **same),
    )


def _v1(*rows):
    return {"predictions": list(rows)}


def _v2(data, shape):
    return {"outputs": [{"name": "embedding", "datatype": "FP32", "shape": shape, "data": data}]}


UNIT = [0.6, 0.8]


@pytest.mark.parametrize(
    ("new", "differs"),
    [
        ([0.6, 0.8], False),
        ([0.6001, 0.7999], False),
        ([0.8, 0.6], True),
        ([-0.6, -0.8], True),
        ([6.0, 8.0], True),
        ([0.603, 0.804], False),
        ([0.0, 0.0], True),
        ([math.nan, 0.8], True),
        ([math.inf, 0.8], True),
    ],
)
def test_an_embedding_keeps_direction_and_length(new, differs):
    """Noise passes; another direction, a lost normalisation, or what is no vector at all does not."""
    found = compare(_contract(), _v1(UNIT), _v1(new))
    assert found.differs is differs


def test_both_protocols_hold_vector_against_vector():
    """A V2 tensor's rows are its vectors: one turned row among good ones is found and named."""
    old, new = _v2([0.6, 0.8, 0.6, 0.8], [2, 2]), _v2([0.6, 0.8, 0.8, 0.6], [2, 2])
    found = compare(_contract("v2"), old, new)
    assert found.differs
    assert found.what.startswith("embedding[1]: cosine 0.96000 to the old vector, length 1 became 1")
    assert found.what.endswith("(1 of 2 differ).")
    assert found.distance == pytest.approx(0.04)


def test_the_worst_vector_is_named_with_its_length():
    """A candidate that no longer normalises is told from one that answers something else."""
    found = compare(_contract(), _v1(UNIT, UNIT), _v1(UNIT, [3.0, 4.0]))
    assert found.what == (
        "predictions[1]: cosine 1.00000 to the old vector, length 1 became 5 (1 of 2 differ)."
    )
    assert found.distance == pytest.approx(4.0)


def test_another_number_of_dimensions_differs():
    """No cosine is worked out of vectors that do not belong together."""
    assert compare(_contract(), _v1(UNIT), _v1([0.6, 0.8, 0.0])).differs
    assert compare(_contract("v2"), _v2(UNIT, [1, 2]), _v2([0.6, 0.8, 0.0], [1, 3])).differs


def test_the_owner_sets_how_near_is_near_enough():
    """Both bounds are the contract's."""
    turned, longer = _v1([0.8, 0.6]), _v1([1.2, 1.6])
    assert not compare(_contract(minimum_cosine=0.9), _v1(UNIT), turned).differs
    assert not compare(_contract(length_tolerance=2), _v1(UNIT), longer).differs


@given(old=vectors, factor=st.floats(1e-3, 1e3))
def test_a_cosine_minds_no_length(old, factor):
    """However large or small the numbers are, a vector's direction is its own."""
    assert cosine(old, [one * factor for one in old]) == pytest.approx(1.0)


@given(old=vectors)
def test_an_answer_is_the_same_as_itself_after_a_journey(old):
    """Written to JSON and read again, a vector never differs, at the strictest bounds."""
    strict = _contract(minimum_cosine=1.0, length_tolerance=0.0)
    found = compare(strict, _v1(old), json.loads(json.dumps(_v1(old))))
    assert (found.differs, found.distance) == (False, 0.0)
