import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from turnout.domain.errors import InvalidInputError
from turnout.domain.evidence import Verdict
from turnout.domain.task_metric import TaskMetric, TaskScore
from turnout.domain.task_scores import Answered, judge, scorer

EXACT = TaskMetric(score=TaskScore.EXACT, worse=0.1)


def answered(same=0, lost=0, won=0, neither=0):
    """Prompts that both, legacy alone, the candidate alone and nobody answers well."""
    kinds = [("Paris", "Paris")] * same + [("Paris", "Rome")] * lost
    kinds += [("Rome", "Paris")] * won + [("Rome", None)] * neither
    return [Answered(f"q{number}", "Paris", *texts) for number, texts in enumerate(kinds)]


@pytest.mark.parametrize(
    ("metric", "good", "bad"),
    [
        (EXACT, " Paris\n", "Paris."),
        (TaskMetric(score="regex", pattern=r"\b{expected}\b", worse=0.1), "It is Paris.", "Parisian"),
        (TaskMetric(score="json", worse=0.1), '{"a": [1]}', '{"a": [1'),
        (
            TaskMetric(score="json", json_schema={"type": "object", "required": ["a"]}, worse=0.1),
            '{"a": 1}',
            '{"b": 1}',
        ),
        (TaskMetric(score="length", shortest=3, longest=8, worse=0.1), "Paris", "Paris, I think"),
    ],
    ids=["exact", "regex", "json", "schema", "length"],
)
def test_what_a_good_answer_is(metric, good, bad):
    """Each score tells a good answer from a bad one."""
    assert scorer(metric)(good, "Paris")
    assert not scorer(metric)(bad, "Paris")


def test_what_is_expected_is_taken_literally():
    """A dot in it is a dot."""
    score = scorer(TaskMetric(score="regex", pattern="^{expected}$", worse=0.1))
    assert score("3.5", "3.5")
    assert not score("345", "3.5")


@pytest.mark.parametrize(
    "said",
    [
        {"score": "regex"},
        {"score": "exact", "pattern": "x"},
        {"score": "regex", "pattern": "("},
        {"score": "length"},
        {"score": "exact", "json_schema": {}},
    ],
)
def test_a_metric_that_cannot_be_used_is_refused(said):
    """When the contract is read, not at the third hour of a shadow test."""
    with pytest.raises(ValidationError):
        TaskMetric(worse=0.1, **said)


def test_a_schema_that_is_none_is_said_before_anything_is_asked():
    """It is the contract's, and so its owner's to correct."""
    metric = TaskMetric(score="json", json_schema={"type": "no such type"}, worse=0.1)
    with pytest.raises(InvalidInputError, match=r"task\.json_schema"):
        scorer(metric)


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ({"same": 60}, Verdict.PASS),
        ({"same": 8}, Verdict.HOLD),
        ({}, Verdict.HOLD),
        ({"same": 30, "lost": 30}, Verdict.FAIL),
        ({"same": 55, "lost": 5}, Verdict.HOLD),
        ({"neither": 60}, Verdict.PASS),
        ({"same": 40, "won": 20}, Verdict.PASS),
    ],
)
def test_a_verdict_needs_prompts_enough(counts, verdict):
    """Shown to lose no more, shown to lose more, or neither; prompts that neither answers say nothing."""
    assert judge(EXACT, answered(**counts), alpha=0.05).verdict is verdict


def test_both_scores_their_intervals_and_what_was_lost_are_told():
    """The owner sees which prompts legacy alone answers well."""
    found = judge(EXACT, answered(same=6, lost=2, won=1, neither=1), alpha=0.05).measurements
    assert (found["prompts"], found["lost"], found["won"]) == (10, 2, 1)
    assert (found["legacy"]["estimate"], found["candidate"]["estimate"]) == (0.8, 0.7)
    assert found["legacy"]["low"] < 0.8 < found["legacy"]["high"]
    assert [one["new"] for one in found["examples"]] == ["Rome", "Rome"]


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_the_interval_holds_what_was_seen(same, lost, won, neither):
    """Whatever the counts, and it never leaves what is possible."""
    found = judge(EXACT, answered(same, lost, won, neither), alpha=0.05).measurements
    total, ends = found["prompts"], found["net_loss"]
    assert -1 <= ends["low"] <= ends["high"] <= 1
    if total:
        assert ends["low"] <= (lost - won) / total <= ends["high"]
