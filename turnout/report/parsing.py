"""From JSON objects in files to facts; an object that lacks what it needs becomes None."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from turnout.domain.approval import Approval
from turnout.domain.requests import ComparisonRecord
from turnout.report.facts import Breach, ClientCall, LookRow, RouteEvent

Row = Mapping[str, Any]
_COMPARISON = TypeAdapter(ComparisonRecord)


def client_call(row: Row) -> ClientCall | None:
    """One line of STATE/client/MODEL.jsonl."""
    finished, scheduled = number(row.get("finished")), number(row.get("scheduled", row.get("sent")))
    if finished is None or scheduled is None:
        return None
    status = number(row.get("status"))
    error = str(row["error"]) if row.get("error") else None
    return ClientCall(
        scheduled, finished, bool(row.get("ok")), None if status is None else int(status), error
    )


def route_event(row: Row) -> RouteEvent | None:
    """One line of STATE/routes/MODEL/history.jsonl."""
    at = number(row.get("at_seconds"))
    if at is None or "event" not in row:
        return None
    attempt = str(row["attempt"]) if row.get("attempt") else None
    by, reason = str(row.get("by") or ""), str(row.get("reason") or "")
    return RouteEvent(at, str(row["event"]), attempt, number(row.get("weight")) or 0.0, by, reason)


def look_row(row: Row) -> LookRow | None:
    """One line of STATE/sentinel/ATTEMPT.looks.jsonl."""
    at = number(row.get("at"))
    if at is None:
        return None
    evidence = row.get("evidence")
    kept = (
        {s: dict(e) for s, e in evidence.items() if isinstance(e, dict)} if isinstance(evidence, dict) else {}
    )
    signal = str(row["signal"]) if row.get("signal") else None
    return LookRow(at, number(row.get("weight")) or 0.0, str(row.get("verdict") or "undecided"), signal, kept)


def breach(row: Row) -> Breach | None:
    """STATE/sentinel/ATTEMPT.breach.json."""
    at = number(row.get("at_seconds"))
    signal = str(row["signal"]) if row.get("signal") else None
    return None if at is None else Breach(at, signal, str(row.get("reason") or ""))


def comparison(row: Row) -> ComparisonRecord | None:
    """One line of STATE/comparisons/ATTEMPT.jsonl."""
    try:
        return _COMPARISON.validate_python(dict(row))
    except ValidationError:
        return None


def approval(row: Row) -> Approval | None:
    """One answer at a gate."""
    try:
        return Approval.model_validate(row)
    except ValidationError:
        return None


def number(value: Any) -> float | None:
    """A JSON number; None for anything else (true and false are not numbers)."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
