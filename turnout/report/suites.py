"""Which suites the evidence of an attempt was held against, for the page: one line a suite and phase."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from turnout.domain.evidence import Evidence
from turnout.report.facts import AttemptFacts, ModelFacts


@dataclass(frozen=True)
class SuiteLine:
    """One suite of one phase.

    Attributes:
        phase: The phase.
        suite: The suite.
        rows: Rows of the table that was held against it.
        met: Expectations that were met.
        of: Expectations that there are.
        page: Its page of the Data Docs, below their folder; empty where there is none.
        unmet: What was not met, one line each.
    """

    phase: str
    suite: str
    rows: int
    met: int
    of: int
    page: str
    unmet: tuple[str, ...] = ()


def lines(model: ModelFacts, attempt: AttemptFacts) -> list[SuiteLine]:
    """The newest record of each phase: of legacy's baseline, and of the attempt itself."""
    newest: dict[str, Evidence] = {}
    for record in (*(e for e in model.evidence if e.attempt is None), *attempt.evidence):
        newest[record.phase] = record
    return [line for record in newest.values() for line in _of(record)]


def _of(record: Evidence) -> Iterable[SuiteLine]:
    unmet = _listed(record, "unmet_expectations")
    for told in _listed(record, "expectations"):
        suite = str(told.get("suite", ""))
        yield SuiteLine(
            phase=str(record.phase),
            suite=suite,
            rows=int(told.get("rows", 0)),
            met=int(told.get("met", 0)),
            of=int(told.get("of", 0)),
            page=str(told.get("data_docs") or ""),
            unmet=tuple(_said(one) for one in unmet if one.get("suite") == suite),
        )


def _said(one: dict[str, Any]) -> str:
    which = f"{one.get('expectation')}({one.get('column')})" if one.get("column") else one.get("expectation")
    rows = ", ".join(str(row) for row in one.get("rows") or ())
    return f"{which}: {one.get('observed')}" + (f" (rows {rows})" if rows else "")


def _listed(record: Evidence, name: str) -> list[dict[str, Any]]:
    found = record.measurements.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
