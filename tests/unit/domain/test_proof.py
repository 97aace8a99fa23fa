"""A conversion is faithful when the golden set says so, and never without one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.domain.contract import AnswerKind, Bounds, Contract, SameAnswer, Tensor, Wire
from turnout.domain.evidence import Verdict
from turnout.domain.proof import EXAMPLES, Exchange, prove


def contract(differs: float = 0.0) -> Contract:
    """Labels; this share may differ."""
    return Contract(
        model="iris",
        wire=Wire.V1,
        inputs=(Tensor(name="instances", datatype="FP64", shape=(-1, 4)),),
        outputs=(Tensor(name="predictions", datatype="INT64", shape=(-1,)),),
        same_answer=SameAnswer(kind=AnswerKind.LABELS),
        bounds=Bounds(differs=differs),
    )


def exchanges(same: int, other: int) -> list[Exchange]:
    """Golden requests of which some are answered otherwise."""
    answers = [1] * same + [2] * other
    return [
        Exchange({"instances": [n]}, {"predictions": [1]}, {"predictions": [a]})
        for n, a in enumerate(answers)
    ]


def test_nothing_to_compare_is_no_pass():
    """No data is never a pass."""
    assert prove(contract(), []).verdict is Verdict.HOLD


def test_a_faithful_conversion_passes():
    """All the same: a pass that says how many."""
    proof = prove(contract(), exchanges(10, 0))
    assert (proof.verdict, proof.differing, proof.examples) == (Verdict.PASS, 0, ())
    assert "10 of 10" in proof.reason


def test_an_unfaithful_conversion_fails_with_examples():
    """The owner sees what differs: request and both answers."""
    proof = prove(contract(), exchanges(1, 10))
    assert (proof.verdict, len(proof.examples)) == (Verdict.FAIL, EXAMPLES)
    assert proof.examples[0]["legacy"] == {"predictions": [1]}
    assert proof.examples[0]["converted"] == {"predictions": [2]}
    assert proof.largest_distance == pytest.approx(1.0)


def test_a_malformed_answer_differs():
    """A converted model that answers in another form is not faithful."""
    assert prove(contract(), [Exchange({}, {"predictions": [1]}, {"outputs": []})]).verdict is Verdict.FAIL


@given(same=st.integers(0, 40), other=st.integers(0, 40), bound=st.sampled_from([0.0, 0.01, 0.1, 0.5]))
def test_the_share_that_differs_decides(same, other, bound):
    """A pass exactly when something was compared and the differing share is within the owner's bound."""
    proof = prove(contract(bound), exchanges(same, other))
    assert (proof.compared, proof.differing) == (same + other, other)
    passes = same + other > 0 and other <= bound * (same + other)
    assert (proof.verdict is Verdict.PASS) == passes
