"""Whether evidence is sufficient and sound, as Great Expectations suites that a model's owner can edit.

Here is what a suite, a table and a result are; Great Expectations itself runs in `turnout.fabric.validator`.
Numbers are no evidence of anything where too few of them came, or where they tell of something else: so a
suite that is not met holds its phase (`tasks.sufficiency`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from turnout.domain.document import Document

Cell = str | int | float | bool | None

MOST_ROWS = 20_000
"""Rows of a table that are looked at, the newest: what an hour at 5 requests a second leaves."""


class Evidenced(StrEnum):
    """The tables that suites are about; each suite's file is named after its table."""

    CAPTURED_TRAFFIC = "captured_traffic"
    GOLDEN_SET = "golden_set"
    GOLDEN_CLASSES = "golden_classes"
    GOLDEN_INPUTS = "golden_inputs"
    BASELINE = "baseline"
    SHADOW_SAMPLES = "shadow_samples"


class Expectation(BaseModel):
    """One expectation, as Great Expectations has it in its own suites.

    Attributes:
        type: Its name: expect_column_values_to_be_between, ...
        kwargs: What it is given; `{$PARAMETER: NAME}` stands for a number of the contract.
        notes: Why it is expected, for people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = Field(pattern=r"^expect_[a-z_]+$")
    kwargs: dict[str, Any] = Field(default_factory=dict)
    notes: str = ""


class Suite(BaseModel):
    """What is expected of a table; an empty suite would call everything sound, so there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    expectations: tuple[Expectation, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Table:
    """What a suite is held against.

    Attributes:
        name: Which of the tables.
        columns: Names of its columns; there too where it has no rows.
        rows: Its rows, cells in the order of the columns.
    """

    name: Evidenced
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Check:
    """A table with the suite that it is held against, and the file of that suite."""

    table: Table
    suite: Suite
    written: Document


class Unmet(BaseModel):
    """One expectation that is not met.

    Attributes:
        suite: The suite, by its table.
        expectation: Its type.
        column: Column that it is about; empty for the whole table.
        where: File and line at which it stands.
        wanted: What it was given.
        observed: What was seen instead.
        rows: Numbers of the first rows that do not meet it, from 0; none where it is about the whole.
        excerpt: What stands in the first of them.
    """

    model_config = ConfigDict(frozen=True)

    suite: Evidenced
    expectation: str
    column: str = ""
    where: str
    wanted: str
    observed: str
    rows: tuple[int, ...] = ()
    excerpt: str = ""

    @property
    def reason(self) -> str:
        """All of it in one line."""
        which = f"{self.expectation}({self.column})" if self.column else self.expectation
        rows = f", rows {', '.join(map(str, self.rows))}" if self.rows else ""
        first = f", first of them: {self.excerpt}" if self.excerpt else ""
        wanted = f" {self.wanted}" if self.wanted else ""
        return f"{self.suite}: {which}{wanted} is not met: {self.observed}{rows}{first} ({self.where})"


class SuiteResult(BaseModel):
    """How one suite was met.

    Attributes:
        suite: The suite, by its table.
        rows: Rows of the table.
        expectations: Expectations of the suite.
        unmet: Those that are not met.
        page: Its page of the Data Docs, a path below their folder; None where none was written.
    """

    model_config = ConfigDict(frozen=True)

    suite: Evidenced
    rows: int
    expectations: int
    unmet: tuple[Unmet, ...] = ()
    page: str | None = None


class Validator(Protocol):
    """What holds tables against suites."""

    def warm(self) -> None:
        """Begin to load what it takes, without waiting for it."""

    def validate(
        self, model: str, checks: Sequence[Check], parameters: dict[str, float], *, run: str | None = None
    ) -> list[SuiteResult]:
        """Hold each table against its suite.

        Args:
            model: The model.
            checks: What is held against what.
            parameters: What `{$PARAMETER: NAME}` stands for.
            run: Name of the run in the Data Docs, which are written then; None: nothing is written.

        Raises:
            InvalidInputError: An expectation cannot be used; file and line are named.
            TemporaryError: It did not answer.
        """


def measured(results: Sequence[SuiteResult]) -> dict[str, Any]:
    """What goes into the evidence: a line a suite, and a line an expectation that is not met."""
    found: dict[str, Any] = {
        "expectations": [
            {
                "suite": str(result.suite),
                "rows": result.rows,
                "met": result.expectations - len(result.unmet),
                "of": result.expectations,
                "data_docs": result.page,
            }
            for result in results
        ]
    }
    unmet = [one for result in results for one in result.unmet]
    if unmet:
        found["unmet_expectations"] = [one.model_dump(mode="json") for one in unmet]
    return found


def reasons(results: Sequence[SuiteResult]) -> tuple[str, ...]:
    """Why a phase holds; nothing: every suite is met."""
    return tuple(one.reason for result in results for one in result.unmet)
