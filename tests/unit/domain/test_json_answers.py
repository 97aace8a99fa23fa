import pytest
from pydantic import ValidationError

from turnout.domain.comparison import compare
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Wire
from turnout.domain.errors import InvalidInputError

OLD = {"result": [{"label": "cat", "score": 0.9, "took": 3}], "trace": {"id": "a"}}


def _contract(**same):
    return Contract(
        model="m",
        wire=Wire.V1,
        inputs=(),
        outputs=(),
        same_answer=SameAnswer(kind=AnswerKind.JSON, **same),
    )


def _answer(label="cat", score=0.9, took=3, trace="a"):
    return {"result": [{"label": label, "score": score, "took": took}], "trace": {"id": trace}}


@pytest.mark.parametrize(
    ("new", "differs"),
    [
        (_answer(), False),
        (_answer(score=0.9000001), False),
        (_answer(score=0.8), True),
        (_answer(label="dog"), True),
        (_answer(trace="b"), True),
        ({"result": OLD["result"]}, True),
        ({**OLD, "result": []}, True),
        ([OLD], True),
        ("text", True),
    ],
)
def test_every_field_counts_unless_the_owner_says_otherwise(new, differs):
    """Numbers are held within the tolerances, all else has to be equal; no protocol's form is asked for."""
    assert compare(_contract(), OLD, new).differs is differs


def test_only_chosen_fields_are_compared():
    """An owner names what clients read; the rest may change."""
    contract = _contract(fields=("result.label",))
    assert not compare(contract, OLD, _answer(score=0.1, took=9, trace="z")).differs
    assert compare(contract, OLD, _answer(label="dog")).what == (
        "result[0].label: 'cat' became 'dog' (1 of 1 differ)."
    )


def test_ignored_fields_are_left_out():
    """What names the one exchange is no difference, wherever it stands."""
    contract = _contract(ignored=("trace", "result.took"))
    assert not compare(contract, OLD, _answer(took=9, trace="z")).differs
    assert compare(contract, OLD, _answer(label="dog", took=9)).differs


def test_a_chosen_field_that_legacy_does_not_answer_proves_nothing():
    """A misspelled field would compare nothing, and call every candidate the same."""
    with pytest.raises(InvalidInputError, match=r"no field result\.lable"):
        compare(_contract(fields=("result.lable",)), OLD, OLD)


def test_a_candidate_without_a_chosen_field_differs():
    """What clients read has to be there."""
    found = compare(_contract(fields=("trace.id",)), OLD, {"result": []})
    assert (found.differs, found.what) == (True, "the answer has no field trace.id.")


@pytest.mark.parametrize("path", ["", "result.", ".label", "a..b"])
def test_a_field_without_a_name_is_refused(path):
    """A slip in the contract is found when it is read."""
    with pytest.raises(ValidationError, match="dots between"):
        _contract(fields=(path,))


def test_fields_go_with_json_alone():
    """Fields beside another kind would be passed over in silence."""
    with pytest.raises(ValidationError, match="kind json"):
        SameAnswer(kind=AnswerKind.LABELS, ignored=("id",))
