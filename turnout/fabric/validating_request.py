"""What `turnout.fabric.validator` and `.validating` say to each other: a JSON document a line."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Cell = str | int | float | bool | None


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True)


class Held(_Said):
    """A table and what is held against it."""

    table: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    expectations: tuple[dict[str, Any], ...]


class Docs(_Said):
    """Where results are written: the folder of the pages, that of what is kept for them, the run's name."""

    site: str
    kept: str
    run: str


class Request(_Said):
    """Tables of a model; with `docs` the results are kept and get their pages."""

    model: str
    held: tuple[Held, ...]
    parameters: dict[str, float] = Field(default_factory=dict)
    docs: Docs | None = None


class Wrong(_Said):
    """An expectation that cannot be used: its table, its place in the suite where it is known, and why."""

    table: str
    index: int | None
    observed: str


class Finding(_Said):
    """What is not met of one suite, by the expectation's place, and the page that tells of it."""

    table: str
    unmet: dict[int, dict[str, Any]] = Field(default_factory=dict)
    page: str | None = None


class Answer(_Said):
    """One of both: what was found, or what is wrong with a suite."""

    findings: tuple[Finding, ...] = ()
    wrong: Wrong | None = None
