import pytest

from turnout.domain import generation
from turnout.domain.evidence import Evidence, Phase, Verdict
from turnout.domain.generation import StreamRecord
from turnout.report import servers
from turnout.report.facts import AttemptFacts


def attempt(**measurements):
    """An attempt whose shadow test measured so much."""
    shadow = Evidence(
        subject="chat", phase=Phase.SHADOW, attempt="chat-1", inputs_digest="0", measurements=measurements,
        bounds={}, verdict=Verdict.PASS, reasons=("same",), code_version="0", at_seconds=1.0,
    )  # fmt: skip
    return AttemptFacts(id="chat-1", number=1, evidence=(shadow,))


def arm(pace):
    """What the shadow test keeps of an arm."""
    records = [StreamRecord(0.0, (pace, 2 * pace), 2 * pace, 10, 2)]
    return {
        **generation.measured(records), "rate_per_second": 0.5, "bounds": {"first_token_seconds": 1.0},
        "cost": {**generation.cost(records, 0.4), "assumes": "0.4 USD an hour, cpu"},
    }  # fmt: skip


def test_both_arms_generation_and_task_are_read_from_the_shadow_test():
    """First token, pace, tokens and their cost, and the owner's score, an arm each."""
    score = {"estimate": 0.9, "low": 0.8, "high": 0.95}
    facts = attempt(
        generation={"legacy": arm(0.4), "candidate": arm(0.1)}, task={"legacy": score, "candidate": score}
    )
    old, new = (servers.measured(facts, name) for name in ("legacy", "candidate"))
    assert old.generation.first_token_seconds["p50"].estimate == pytest.approx(0.4)
    assert new.generation.between_tokens_seconds["p50"].estimate == pytest.approx(0.1)
    assert new.generation.tokens_out_per_second == pytest.approx(10.0)
    assert new.generation.usd_per_million_tokens_out < old.generation.usd_per_million_tokens_out
    assert (new.task_score.estimate, new.task_score.low) == (0.9, 0.8)


def test_what_was_not_measured_is_not_told():
    """Neither load nor a task: no figures, not zeros."""
    found = servers.measured(attempt(), "candidate")
    assert found.generation is None
    assert found.task_score.estimate is None
