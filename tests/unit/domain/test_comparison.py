import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.domain.answers import DEPTH_LIMIT
from turnout.domain.comparison import Difference, compare
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Wire
from turnout.domain.errors import InvalidInputError

numbers = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(2**70), 2**70)
leaves = numbers | st.text(max_size=5) | st.booleans() | st.none()
rows = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)
v1_answers = st.builds(lambda found: {"predictions": found}, st.lists(rows, max_size=4))
finite = st.floats(min_value=-1e9, max_value=1e9)


def _contract(kind="regression", wire="v1", **tolerances):
    return Contract(
        model="m",
        wire=Wire(wire),
        inputs=(),
        outputs=(),
        same_answer=SameAnswer(kind=AnswerKind(kind), **tolerances),
    )


def _output(data, shape=None, datatype="FP32", name="predict"):
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data}


def _v2(*outputs, **more):
    return {"outputs": list(outputs), **more}


@settings(deadline=None)
@given(answer=v1_answers, kind=st.sampled_from([kind for kind in AnswerKind if kind is not AnswerKind.TEXT]))
def test_an_answer_is_the_same_as_itself(answer, kind):
    """Whatever a server answers, NaN included, its own answer sent again never counts as different."""
    again = json.loads(json.dumps(answer))
    found = compare(_contract(kind), answer, again)
    assert not found.differs
    assert found.distance == 0


@settings(deadline=None)
@given(
    data=st.lists(finite, min_size=1, max_size=6).flatmap(
        lambda old: st.tuples(st.just(old), st.lists(finite, min_size=len(old), max_size=len(old)))
    ),
    small=st.floats(0, 1e3),
    more=st.floats(0, 1e3),
)
def test_a_wider_tolerance_never_makes_answers_differ(data, small, more):
    """What is the same within a tolerance is the same within every wider one."""
    old, new = ({"predictions": list(values)} for values in data)
    narrow = compare(_contract(absolute_tolerance=small, relative_tolerance=0.1), old, new)
    wide = compare(_contract(absolute_tolerance=small + more, relative_tolerance=0.1), old, new)
    assert narrow.differs or not wide.differs


@settings(deadline=None)
@given(old=numbers, new=numbers, absolute=st.floats(0, 1e6), relative=st.floats(0, 1))
def test_numbers_are_held_together_as_numpy_does(old, new, absolute, relative):
    """The tolerances mean what numpy.isclose(new, old, equal_nan=True) means by them."""
    found = compare(
        _contract(absolute_tolerance=absolute, relative_tolerance=relative),
        {"predictions": [old]},
        {"predictions": [new]},
    )
    with np.errstate(over="ignore", invalid="ignore"):
        close = np.isclose(float(new), float(old), rtol=relative, atol=absolute, equal_nan=True)
    assert found.differs == (not close and old != new)


@settings(deadline=None)
@given(old=v1_answers, new=rows | v1_answers)
def test_no_new_answer_brings_the_comparison_down(old, new):
    """A candidate may answer anything: that is a difference, never an error of ours."""
    assert isinstance(compare(_contract("labels"), old, new), Difference)


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ([1, 0], [1.0, 0.0], False),
        ([1, 0], [1.0, 1.0], True),
        (["setosa"], ["setosa"], False),
        (["setosa"], ["Setosa"], True),
        ([1], ["1"], True),
        ([1], [True], True),
        ([1.0], [1.0000001], True),
        ([None], [None], False),
    ],
)
def test_labels_are_equal_or_not(old, new, differs):
    """1 and 1.0 are one label; text is exact; no tolerance applies to labels."""
    found = compare(_contract("labels", absolute_tolerance=10), {"predictions": old}, {"predictions": new})
    assert found.differs is differs


def test_the_distance_of_labels_is_the_share_that_differs():
    """A reader sees how much of an answer changed."""
    found = compare(_contract("labels"), {"predictions": [0, 1, 2, 2]}, {"predictions": [0, 1, 2, 1]})
    assert found == Difference(
        differs=True, distance=0.25, what="predictions[3]: 2 became 1 (1 of 4 differ)."
    )


def test_the_sentence_names_the_largest_difference():
    """The example that an owner reads shows the worst value, with its place."""
    found = compare(_contract(), {"predictions": [[0.1, 0.9]]}, {"predictions": [[0.2, 0.4]]})
    assert found.what == "predictions[0][1]: 0.9 became 0.4 (2 of 2 differ)."
    assert found.distance == pytest.approx(0.5)


def test_what_names_the_exchange_is_not_compared():
    """Ids, versions and parameters differ from server to server and mean nothing to the client's result."""
    old = _v2(_output([0.5]), id="a", model_version="1", parameters={"took": 1}, model_name="m")
    new = _v2(_output([0.5]), id="b", model_version="9", model_name="m")
    assert not compare(_contract("probabilities", "v2"), old, new).differs


def test_nested_and_flat_v2_data_are_the_same():
    """Servers may send a tensor's data flat or nested; a client reads both."""
    old, new = _v2(_output([1, 2, 3, 4], [2, 2])), _v2(_output([[1, 2], [3, 4]], [2, 2]))
    assert not compare(_contract(wire="v2"), old, new).differs


@pytest.mark.parametrize(
    ("new", "word"),
    [
        (_v2(_output([0.5, 0.25], [2, 1])), "shape"),
        (_v2(_output([0.5, 0.25], datatype="FP64")), "datatype"),
        (_v2(_output([0.5, 0.25], name="probability")), "probability"),
        (_v2(_output([0.5, 0.25]), _output([1], name="more")), "more"),
        (_v2(_output([0.5, 0.25]), _output([0.5, 0.25])), "same name"),
        (_v2(_output([0.5, 0.25]), model_name="other"), "other"),
        (_v2(_output([0.5]) | {"shape": [2]}), "1 values"),
        (_v2(_output(["a", "b"])), "FP32"),
        (_v2(_output([True, False])), "FP32"),
        (_v2(_output([0.5, 0.25]) | {"shape": [-2]}), "shape"),
        (_v2(_output([0.5, 0.25]) | {"shape": None}), "shape"),
        (_v2(_output([0.5, 0.25]) | {"datatype": ["FP32"]}), "datatype"),
        (_v2(_output([0.5, 0.25]) | {"data": "no"}), "no list"),
        (_v2(), "no outputs"),
        ({"outputs": [None]}, "no name"),
        ({"error": "boom"}, "no outputs"),
        ([], "not an object"),
        (None, "null"),
    ],
)
def test_a_v2_answer_of_another_form_differs(new, word):
    """Names, shapes, datatypes and form are part of the promise; the sentence says which one broke."""
    found = compare(_contract("probabilities", "v2"), _v2(_output([0.5, 0.25]), model_name="m"), new)
    assert found.differs
    assert found.distance is None
    assert word in found.what


@pytest.mark.parametrize(
    ("new", "word"),
    [
        ({"predictions": [1.0]}, "1 entries"),
        ({"predictions": [1.0, [2.0]]}, "a list"),
        ({"predictions": [1.0, 2.0], "more": 1}, "more"),
        ({"predictions": {"a": 1}}, "no list of predictions"),
        ({"predictions": [1.0, 10**400]}, "no JSON number"),
        ({"error": "boom"}, "no list of predictions"),
        ("text", "text"),
    ],
)
def test_a_v1_answer_of_another_form_differs(new, word):
    """A shape that a client has not seen before is a difference, with its reason."""
    found = compare(_contract(), {"predictions": [1.0, 2.0]}, new)
    assert (found.differs, found.distance) == (True, None)
    assert word in found.what


def test_an_endless_nesting_is_a_difference_and_no_overrun():
    """A hostile answer cannot overrun the stack."""
    deep = [1]
    for _ in range(DEPTH_LIMIT + 500):
        deep = [deep]
    assert compare(_contract(), {"predictions": [1]}, {"predictions": deep}).differs
    assert compare(_contract(wire="v2"), _v2(_output([1.0])), _v2(_output([1.0]) | {"data": deep})).differs


def test_a_class_beside_probabilities_is_exact():
    """A relative tolerance must not blur class 20000 into 20001."""
    old, new = (_v2(_output([label], datatype="INT64", name="label")) for label in (20_000, 20_001))
    assert compare(_contract("probabilities", "v2", relative_tolerance=0.1), old, new).differs
    assert not compare(_contract("regression", "v2", relative_tolerance=0.1), old, new).differs


@pytest.mark.parametrize("new", [math.nan, math.inf, "0.5"])
def test_no_number_where_a_number_was_has_no_distance(new):
    """A distance that cannot be given is absent, so that records stay plain JSON."""
    found = compare(_contract(), {"predictions": [0.5]}, {"predictions": [new]})
    assert found.differs
    assert found.distance is None


@pytest.mark.parametrize("old", [None, {"error": "x"}, {"predictions": 3}, {"predictions": [10**400]}])
def test_a_malformed_old_answer_proves_nothing(old):
    """Without legacy's answer there is no comparison: a typed error, not a verdict."""
    with pytest.raises(InvalidInputError, match="old answer of m"):
        compare(_contract(), old, {"predictions": [1]})
