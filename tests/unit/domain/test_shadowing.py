import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.domain.contract import AnswerKind, Bounds, Contract, Rollout, SameAnswer, Wire
from turnout.domain.evidence import Verdict
from turnout.domain.requests import Arm, ComparisonRecord
from turnout.domain.shadowing import EXAMPLES, judge


def contract(*, differs=0.02, samples=60, noise_share=1.0):
    """A contract as the lab's."""
    return Contract(
        model="iris",
        wire=Wire.V1,
        inputs=(),
        outputs=(),
        same_answer=SameAnswer(kind=AnswerKind.LABELS),
        bounds=Bounds(errors=0.02, slow=0.05, differs=differs, slow_seconds=0.5),
        rollout=Rollout(shadow_samples=samples, noise_share=noise_share),
    )


def comparison(n, **changes):
    """The n-th comparison, ten a second: both answered alike, at once."""
    parts = {
        "model": "iris",
        "attempt": "iris-1",
        "at_seconds": 1000 + n / 10,
        "captured_from": Arm.LEGACY,
        "new_differs": False,
        "old_differs": False,
        "new_failed": False,
        "distance": 0.0,
        "legacy_seconds": 0.01,
        "candidate_seconds": 0.02,
    } | changes
    return ComparisonRecord(**parts)


def failing(n):
    """A replay that the candidate did not answer."""
    return comparison(n, new_differs=True, new_failed=True, distance=None, candidate_seconds=None)


def decided(terms, made):
    """How many comparisons it took, and the finding."""
    for count in range(0, len(made) + 1, 10):
        finding = judge(terms, made[:count])
        if finding.verdict is not None:
            return count, finding
    return None, judge(terms, made)


def test_no_data_is_no_verdict():
    """Without comparisons there is neither pass nor fail, and what is missing is said."""
    finding = judge(contract(), [])
    assert finding.verdict is None
    assert any("0 of 60 samples" in reason for reason in finding.reasons)


def test_a_healthy_candidate_passes_within_half_a_minute():
    """At ten comparisons a second and a bound of 2 %, equal answers are enough evidence after 23 seconds."""
    count, finding = decided(contract(), [comparison(n) for n in range(400)])
    assert finding.verdict is Verdict.PASS
    assert count == 230


def test_samples_are_waited_for():
    """A contract that wants more samples than the evidence gets them before anybody passes."""
    count, finding = decided(contract(differs=0.2, samples=300), [comparison(n) for n in range(400)])
    assert (count, finding.verdict) == (300, Verdict.PASS)


def test_a_wrong_candidate_fails_at_once():
    """A candidate that is wrong most of the time is told in about a second, with differing examples."""
    wrong = [
        comparison(
            n, new_differs=n % 5 != 0, distance=float(n), example={"request": f"r{n}", "old": "a", "new": "b"}
        )
        for n in range(100)
    ]
    count, finding = decided(contract(), wrong)
    assert finding.verdict is Verdict.FAIL
    assert count <= 20
    shown = finding.measurements["examples"]
    assert 0 < len(shown) <= EXAMPLES
    assert [e["distance"] for e in shown] == sorted((e["distance"] for e in shown), reverse=True)
    assert all({"request", "old", "new", "distance"} <= e.keys() for e in shown)


def test_a_candidate_that_does_not_answer_fails():
    """Failing replays are a failure of their own, and the reason says so."""
    made = [failing(n) if n % 3 == 0 else comparison(n) for n in range(300)]
    _, finding = decided(contract(differs=0.9), made)
    assert finding.verdict is Verdict.FAIL
    assert any("got no answer" in reason for reason in finding.reasons)


def test_a_candidate_that_is_far_slower_fails():
    """Most answers beyond the limit that legacy keeps: slower than the contract allows."""
    made = [comparison(n, candidate_seconds=0.9) for n in range(900)]
    finding = judge(contract(differs=0.001), made)
    assert finding.verdict is Verdict.FAIL
    assert any("slower" in reason for reason in finding.reasons)


def test_what_legacy_does_itself_is_no_difference():
    """Answers that differ no more often than legacy's own second answers do not fail a candidate."""
    draw = random.Random(4)
    made = [
        comparison(n, new_differs=draw.random() < 0.3, old_differs=draw.random() < 0.3) for n in range(600)
    ]
    assert judge(contract(), made).verdict is not Verdict.FAIL


def test_an_incident_that_both_share_convicts_nobody():
    """Both sides not answering, for a while, is an incident and not the candidate's fault."""
    down = [
        comparison(n, new_differs=True, new_failed=True, old_differs=True, legacy_seconds=None)
        for n in range(50)
    ]
    assert judge(contract(), down).verdict is None


def test_exchanges_without_a_noise_floor_are_left_out():
    """Without legacy's second answer nothing is known; unless the owner wants no noise floor at all."""
    made = [comparison(n, old_differs=None) for n in range(400)]
    assert judge(contract(noise_share=0.5), made).verdict is None
    assert judge(contract(noise_share=0.0), made).verdict is Verdict.PASS


def test_a_bound_of_zero_means_no_difference_at_all():
    """The first difference fails; without one it passes once a share of 1 % is excluded."""
    count, finding = decided(contract(differs=0.0), [comparison(n) for n in range(600)])
    assert finding.verdict is Verdict.PASS
    assert 400 <= count <= 460
    one = [comparison(n, new_differs=n == 200) for n in range(600)]
    assert judge(contract(differs=0.0), one).verdict is Verdict.FAIL


def test_what_was_captured_from_the_candidate_is_the_canarys_business():
    """Comparisons of the canary neither pass nor fail a shadow test."""
    made = [comparison(n, captured_from=Arm.CANDIDATE, new_differs=True) for n in range(300)]
    assert judge(contract(), made).verdict is None


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from([0.0, 0.1, 0.5]), st.integers(0, 400))
def test_measurements_are_json_and_count_everything(draw, share, count):
    """Whatever came, the numbers can be written as evidence, and add up."""
    made = [failing(n) if draw.random() < share else comparison(n) for n in range(count)]
    finding = judge(contract(), made)
    found = json.loads(json.dumps(finding.measurements, allow_nan=False))
    assert found["samples"] == count
    assert sum(found["pairs"].values()) == found["noise_samples"]
    assert found["failing"] == sum(c.new_failed for c in made)
    assert finding.reasons


@pytest.mark.parametrize("share", [0.0, 0.005])
def test_healthy_candidates_are_not_convicted(share):
    """Over many healthy candidates, some with rare differences, at most alpha of the tests fail."""
    failed = 0
    for seed in range(40):
        draw = random.Random(seed)
        made = [comparison(n, new_differs=draw.random() < share) for n in range(600)]
        failed += judge(contract(), made).verdict is Verdict.FAIL
    assert failed <= 4
