"""The owner's task metric for generated text, as the contract tells it.

Parity follows tokens to the first difference and judges no further; a model that is worse at its task can
agree there (docs/adr/0006). So an owner may bring prompts with what is expected of each, and a bound: the
share of prompts, net, that legacy answers well and the candidate does not. `turnout.domain.task_scores`
scores and judges.
"""

import re
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

EXPECTED = "{expected}"
"""Stands in a pattern for what is expected of the prompt, taken literally."""


class TaskScore(StrEnum):
    """What makes an answer a good one."""

    EXACT = "exact"
    """It is what is expected, but for white space around it."""
    REGEX = "regex"
    """The pattern is found in it."""
    JSON = "json"
    """It is JSON, and fits the schema where there is one."""
    LENGTH = "length"
    """It has so many characters."""


class TaskMetric(BaseModel):
    """How the owner scores generated text, and what is tolerated.

    Attributes:
        score: What makes an answer a good one.
        pattern: For regex, in Python's syntax; `{expected}` stands for what is expected of the prompt.
        json_schema: For JSON, a JSON Schema (2020-12).
        shortest: For length, characters at least.
        longest: For length, characters at most.
        worse: Share of prompts, net, that legacy answers well and the candidate does not, tolerated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    score: TaskScore
    pattern: str | None = None
    json_schema: dict[str, Any] | None = None
    shortest: int | None = Field(default=None, ge=0)
    longest: int | None = Field(default=None, ge=0)
    worse: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _says_what_it_needs(self) -> Self:
        if (self.pattern is None) == (self.score is TaskScore.REGEX):
            raise ValueError("task.pattern goes with the score regex, and regex with a pattern")
        if self.json_schema is not None and self.score is not TaskScore.JSON:
            raise ValueError("task.json_schema goes with the score json")
        limited = self.shortest is not None or self.longest is not None
        if limited != (self.score is TaskScore.LENGTH):
            raise ValueError(
                "task.shortest and task.longest go with the score length, and it with one of them"
            )
        return self

    @model_validator(mode="after")
    def _pattern_can_be_read(self) -> Self:
        try:
            re.compile((self.pattern or "").replace(EXPECTED, ""))
        except re.error as error:
            raise ValueError(f"task.pattern is no regular expression: {error}") from error
        return self
