import pytest

from turnout.domain.canary import SentinelReport, StepCourse, course, lacking, summed

PASS = SentinelReport(attempt="iris-1", armed=True, weight=0.25, verdict="pass")


def test_a_pass_counts_for_its_own_weight_only():
    """Having passed at one weight proves nothing about the next."""
    assert course(PASS, 0.25, waited_seconds=1, longest_seconds=60) is StepCourse.PASSED
    assert course(PASS, 0.5, waited_seconds=1, longest_seconds=60) is StepCourse.WAITING


@pytest.mark.parametrize("verdict", ["undecided", "breach", "something new"])
def test_anything_but_a_pass_waits_and_then_is_late(verdict: str):
    """No verdict never passes; after the contract's time the owner is asked."""
    report = PASS.model_copy(update={"verdict": verdict})
    assert course(report, 0.25, waited_seconds=59, longest_seconds=60) is StepCourse.WAITING
    assert course(report, 0.25, waited_seconds=61, longest_seconds=60) is StepCourse.LATE


def test_a_silent_sentinel_passes_nothing():
    """No data is never a pass."""
    assert course(None, 0.25, waited_seconds=0, longest_seconds=60) is StepCourse.WAITING


def test_counts_are_added_up_under_their_own_weight():
    """The evidence of a step holds that step's requests, unknown counts left out."""
    looks = [
        {
            "weight": 0.1,
            "legacy": {"requests": 9, "errors": 0},
            "candidate": {"requests": 1, "rescued": None},
        },
        {"weight": 0.1, "legacy": {"requests": 8, "errors": 1}, "candidate": {"requests": 2, "rescued": 1}},
        {"weight": 0.25, "legacy": {"requests": 5}, "candidate": {"requests": 5}},
    ]
    found = summed(looks, 0.1)
    assert found["legacy"] == {"requests": 17, "errors": 1}
    assert found["candidate"] == {"requests": 3, "rescued": 1}
    assert found["pairs"] == {}


def test_what_was_lacking_is_said():
    """No traffic is told from too little, so that its owner knows what waiting on would bring."""
    assert "requests judged: none" in lacking(summed([], 0.1))
    few = [{"weight": 0.1, "legacy": {"requests": 9}, "candidate": {"requests": 1}}]
    assert "1 of the candidate, 9 of legacy" in lacking(summed(few, 0.1))
