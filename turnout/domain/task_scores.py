"""Does the candidate do the owner's task as well as legacy? Pure; called by `tasks.task_metric`."""

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from turnout.domain.errors import InvalidInputError
from turnout.domain.evidence import Verdict
from turnout.domain.task_metric import EXPECTED, TaskMetric, TaskScore

EXAMPLES = 10
"""Prompts that legacy alone answers well, kept for people to look at."""

Score = Callable[[str, str], bool]


@dataclass(frozen=True, slots=True)
class Answered:
    """One prompt of the owner's with both answers; an answer that did not come is None, and no good one."""

    prompt: str
    expected: str
    legacy: str | None
    candidate: str | None


@dataclass(frozen=True, slots=True)
class TaskFinding:
    """What the prompts show.

    Attributes:
        verdict: Pass: shown to lose no more than the bound; fail: shown to lose more; hold: neither.
        reason: Why, in one line.
        measurements: The numbers, as JSON values.
    """

    verdict: Verdict
    reason: str
    measurements: dict[str, Any]


def scorer(metric: TaskMetric) -> Score:
    """What tells a good answer from a bad one.

    Returns:
        A function of the answer and what is expected of it.

    Raises:
        InvalidInputError: The metric's schema is none.
    """
    if metric.score is TaskScore.JSON:
        return _json(metric)
    if metric.score is TaskScore.EXACT:
        return lambda text, expected: text.strip() == expected.strip()
    if metric.score is TaskScore.LENGTH:
        longest = math.inf if metric.longest is None else metric.longest
        return lambda text, _: (metric.shortest or 0) <= len(text) <= longest
    pattern = metric.pattern or ""
    return lambda text, expected: bool(re.search(pattern.replace(EXPECTED, re.escape(expected)), text))


def _json(metric: TaskMetric) -> Score:
    try:
        Draft202012Validator.check_schema(metric.json_schema or {})
    except SchemaError as error:
        raise InvalidInputError(
            "task.json_schema", observed=error.message, limit="a JSON Schema (2020-12)",
            remedy="Correct it in the contract.",
        ) from error  # fmt: skip
    schema = Draft202012Validator(metric.json_schema or {})

    def fits(text: str, _: str) -> bool:
        try:
            return bool(schema.is_valid(json.loads(text)))
        except (ValueError, RecursionError):
            return False

    return fits


def judge(metric: TaskMetric, answered: Sequence[Answered], *, alpha: float) -> TaskFinding:
    """Hold the candidate's score against legacy's, prompt by prompt.

    The net loss is the share of prompts that legacy alone answers well, less the share that the candidate
    alone does. Its interval puts the ends of both shares' exact intervals (Clopper-Pearson, half of alpha
    each) against each other: conservative, and right for any number of prompts.

    Args:
        metric: The owner's metric.
        answered: Every prompt, once.
        alpha: Chance that the interval misses the truth.

    Raises:
        InvalidInputError: The metric's schema is none.
    """
    score = scorer(metric)
    scores = [tuple(_good(score, one, text) for text in (one.legacy, one.candidate)) for one in answered]
    lost = [one for one, good in zip(answered, scores, strict=True) if good == (True, False)]
    won = scores.count((False, True))
    low, high = _net_loss(len(lost), won, len(answered), alpha)
    verdict, reason = _concluded(metric, len(answered), len(lost), won, (low, high))
    measurements = {
        "prompts": len(answered),
        "legacy": _share(sum(old for old, _ in scores), len(answered), alpha),
        "candidate": _share(sum(new for _, new in scores), len(answered), alpha),
        "lost": len(lost),
        "won": won,
        "net_loss": {"low": low, "high": high, "alpha": alpha},
        "bound": metric.worse,
        "examples": [
            {"prompt": one.prompt, "expected": one.expected, "old": one.legacy, "new": one.candidate}
            for one in lost[:EXAMPLES]
        ],
    }
    return TaskFinding(verdict, reason, measurements)


def _good(score: Score, one: Answered, text: str | None) -> bool:
    return text is not None and score(text, one.expected)


def _net_loss(lost: int, won: int, total: int, alpha: float) -> tuple[float, float]:
    losing, winning = (_share(count, total, alpha / 2) for count in (lost, won))
    return losing["low"] - winning["high"], losing["high"] - winning["low"]


def _share(count: int, total: int, alpha: float) -> dict[str, float]:
    """A share with its exact interval; nothing is known without a prompt."""
    if not total:
        return {"estimate": 0.0, "low": 0.0, "high": 1.0}
    from scipy.stats import binomtest  # noqa: PLC0415 -- a second of each flow's start, and few owners have a task

    found = binomtest(count, total).proportion_ci(1 - alpha, method="exact")
    return {"estimate": count / total, "low": float(found.low), "high": float(found.high)}


def _concluded(
    metric: TaskMetric, total: int, lost: int, won: int, interval: tuple[float, float]
) -> tuple[Verdict, str]:
    low, high = interval
    seen = (
        f"of {total} prompts of the owner's task {lost} are answered well by legacy alone, {won} by the other"
    )
    ends = f"net loss {low:.1%} to {high:.1%}, {metric.worse:.1%} tolerated"
    if low > metric.worse:
        return Verdict.FAIL, f"{seen}: {ends}"
    if high <= metric.worse:
        return Verdict.PASS, f"{seen}: {ends}"
    return Verdict.HOLD, f"{seen}: {ends}; more prompts would tell"
