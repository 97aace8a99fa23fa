"""The suites that a model begins with, derived from its contract; its owner edits them from then on.

Numbers of the contract stand in them as parameters, so that they follow when the contract changes.
"""

from typing import Any

from turnout.domain.baseline import WINDOW_SECONDS
from turnout.domain.contract import AnswerKind, Contract
from turnout.domain.expectations import Evidenced, Expectation, Suite

LEAST_REQUESTS = 200
"""Without an error among so many, a share of errors above 1.5 % would show with a chance of 95 %."""
LEAST_DISTINCT = 20
"""Distinct requests that a golden set needs, unless MANY_CAPTURES hold no more."""
MANY_CAPTURES = 500
_CLASSES = (AnswerKind.LABELS, AnswerKind.PROBABILITIES)
_FREE = (AnswerKind.JSON, AnswerKind.TEXT)
"""Answers in which a null may be an answer."""


def parameters(contract: Contract, *, captured: int = 0, distinct: int = 0) -> dict[str, float]:
    """What `{$PARAMETER: NAME}` stands for in a suite of this model.

    Args:
        contract: Its contract.
        captured: Usable captures so far.
        distinct: Distinct requests among them: a model with few possible questions has no more of them.
    """
    policy = contract.policy
    least = min(LEAST_DISTINCT, distinct) if captured >= MANY_CAPTURES else LEAST_DISTINCT
    text = contract.same_answer.kind is AnswerKind.TEXT  # an answer takes seconds: its owner says how many do
    return {
        "least_requests": contract.rollout.shadow_samples if text else LEAST_REQUESTS,
        "shadow_samples": contract.rollout.shadow_samples,
        "least_asked_again": contract.rollout.noise_share / 2,
        "least_distinct": max(least, 1),
        "slow_seconds": contract.bounds.slow_seconds,
        "longest_seconds": policy.stream_longest_seconds if policy.streaming else 2 * policy.request_seconds,
        "errors": contract.bounds.errors,
        "differs": contract.bounds.differs,
    }


def default(contract: Contract, table: Evidenced) -> Suite | None:
    """The suite of a table for a contract; None where the table says nothing about such answers."""
    if table is Evidenced.GOLDEN_CLASSES and contract.same_answer.kind not in _CLASSES:
        return None
    free = contract.same_answer.kind in _FREE
    return Suite(
        expectations=tuple(
            one for one in _SUITES[table] if not (free and one.kwargs.get("column") == "null_answers")
        )
    )


def _one(type_: str, notes: str, **kwargs: Any) -> Expectation:
    return Expectation(type=type_, kwargs=kwargs, notes=notes)


def _of(name: str) -> dict[str, str]:
    return {"$PARAMETER": name}


_ROWS, _VALUES = "expect_table_row_count_to_be_between", "expect_column_values_to_be_between"

_SUITES: dict[Evidenced, tuple[Expectation, ...]] = {
    Evidenced.CAPTURED_TRAFFIC: (
        _one("expect_column_sum_to_be_between", "As many usable exchanges as the shadow test wants samples.",
             column="usable", min_value=_of("shadow_samples")),
        _one("expect_column_values_to_be_in_set", "Mostly answered well: else this is not the model at work.",
             column="usable", value_set=[1], mostly=0.5),
        _one("expect_column_min_to_be_between", "The newest one is of the last hour.",
             column="age_seconds", max_value=WINDOW_SECONDS),
        _one(_VALUES, "Hardly any is from the future: clocks agree, though one may have jumped for a moment.",
             column="age_seconds", min_value=-1.0, mostly=0.9),
        _one(_VALUES, "Inputs are there.", column="null_inputs", max_value=0, mostly=0.99),
    ),
    Evidenced.GOLDEN_SET: (
        _one(_ROWS, "Enough different questions.", min_value=_of("least_distinct")),
        _one("expect_column_values_to_be_unique", "No question twice.", column="request_sha256"),
        _one(_VALUES, "Inputs are there.", column="null_inputs", max_value=0, mostly=0.99),
        _one(_VALUES, "Answers are there.", column="null_answers", max_value=0),
    ),
    Evidenced.GOLDEN_CLASSES: (
        _one(_ROWS, "More than one class: a candidate that always answers the same must be found out.",
             min_value=2),
        _one(_VALUES, "Each class that traffic shows is in the golden set.", column="golden", min_value=1),
    ),
    Evidenced.GOLDEN_INPUTS: (
        _one("expect_column_pair_values_a_to_be_greater_than_b", "Covers the lower end of the middle half.",
             column_A="traffic_lower_quartile", column_B="golden_lowest", or_equal=True),
        _one("expect_column_pair_values_a_to_be_greater_than_b", "Covers the upper end of the middle half.",
             column_A="golden_highest", column_B="traffic_upper_quartile", or_equal=True),
    ),
    Evidenced.BASELINE: (
        _one(_ROWS, "So many that a share of errors above 1.5 % would show.",
             min_value=_of("least_requests")),
        _one(_VALUES, "No duration is negative, or twice the time limit.",
             column="duration_seconds", min_value=0.0, max_value=_of("longest_seconds")),
        _one("expect_column_median_to_be_between", "What is slow by the contract is not the usual case.",
             column="latency_seconds", max_value=_of("slow_seconds")),
        _one(_VALUES, "Of the last hour, and none from the future.",
             column="age_seconds", min_value=-1.0, max_value=WINDOW_SECONDS + 60.0),
        _one("expect_column_values_to_be_in_set", "A legacy model that fails most requests is no yardstick.",
             column="answered", value_set=[1], mostly=0.5),
    ),
    Evidenced.SHADOW_SAMPLES: (
        _one(_ROWS, "As many as the contract wants.", min_value=_of("shadow_samples")),
        _one("expect_column_values_to_be_in_set", "Replays were answered, by both sides.",
             column="failed", value_set=["nobody"], mostly=0.95),
        _one("expect_column_mean_to_be_between", "Legacy was asked again: there is a noise floor.",
             column="asked_again", min_value=_of("least_asked_again")),
        _one(_VALUES, "Hardly any is from the future: clocks agree, though one may have jumped for a moment.",
             column="age_seconds", min_value=-1.0, mostly=0.9),
    ),
}  # fmt: skip
