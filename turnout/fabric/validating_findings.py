"""What Great Expectations found, in a few plain words: which rows, what was seen. Part of `validating`."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from turnout.fabric.validating_request import Wrong

SHOWN_ROWS = 10
"""Numbers of failing rows that are named."""
EXCERPT = 240
"""Characters of what a failing row holds."""
COLUMNS = ("column", "column_A", "column_B", "column_list", "column_set")
"""Arguments of expectations that name columns."""


class WrongError(Exception):
    """An expectation that cannot be used: which one of which table, and why."""

    def __init__(self, table: str, index: int | None, observed: str) -> None:
        """Keep it as it is answered."""
        super().__init__(observed)
        self.wrong = Wrong(table=table, index=index, observed=observed)


def unmet(table: str, frame: Any, results: Sequence[Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """What is not met, by the expectation's index."""
    for result in results:
        index = int(result.expectation_config.meta["index"])
        if (why := _raised(result)) is not None:
            raise WrongError(table, index, why)
        found = dict(result.result)
        if not result.success:
            yield index, _told(result, found, frame)
        elif "missing_count" in found and found["element_count"] <= (found["missing_count"] or 0):
            yield index, nothing("no value to look at")


def _raised(result: Any) -> str | None:
    """What an expectation stumbled over, in a line; None where it did not."""
    info = dict(result.exception_info or {})
    for one in (info, *(part for part in info.values() if isinstance(part, dict))):
        if one.get("raised_exception"):
            return " ".join(str(one.get("exception_message")).split())[:EXCERPT]
    return None


def _told(result: Any, found: dict[str, Any], frame: Any) -> dict[str, Any]:
    rows = [int(one["row"]) for one in found.get("unexpected_index_list") or []]
    if "unexpected_count" in found:
        observed = f"{found['unexpected_count']} of {found['element_count']} rows do not"
    else:
        missing = found.get("partial_missing_list")
        observed = (
            f"missing: {_short(missing)}" if missing else f"observed {_short(found.get('observed_value'))}"
        )
    wanted = {k: v for k, v in result.expectation_config.kwargs.items() if k not in {"batch_id", *COLUMNS}}
    return {
        "wanted": _short(wanted), "observed": observed, "rows": rows[:SHOWN_ROWS],
        "excerpt": _row(frame, rows[0]) if rows else "",
    }  # fmt: skip


def nothing(observed: str) -> dict[str, Any]:
    """Nothing is never a pass: Great Expectations takes an expectation on no values for met."""
    return {"wanted": "", "observed": observed, "rows": [], "excerpt": ""}


def _row(frame: Any, row: int) -> str:
    found = frame[frame["row"] == row]
    return _short(found.iloc[0].to_dict()) if len(found) else ""


def _short(value: Any) -> str:
    text = json.dumps(_plain(value), default=str, ensure_ascii=False)
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"


def _plain(value: Any) -> Any:
    """Plain data from pandas' and numpy's: no NaN, which JSON does not know, and short numbers."""
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
