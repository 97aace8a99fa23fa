"""Reading files that other processes are still writing: line by line, whatever can be read."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Journal:
    """What could be read of a file of JSON lines.

    Attributes:
        rows: The objects, in the order of the file.
        unreadable: Lines that are not JSON objects; a last line that is still being written is not counted.
    """

    rows: tuple[dict[str, Any], ...] = ()
    unreadable: int = 0


def journal(file: Path) -> Journal:
    """Read a file of JSON lines; a missing file reads as an empty one."""
    try:
        lines = file.read_text(errors="replace").splitlines(keepends=True)
    except OSError:
        return Journal()
    parsed = [(_object(line), line.endswith("\n")) for line in lines if line.strip()]
    rows = tuple(row for row, _ in parsed if row is not None)
    return Journal(rows, sum(row is None and ended for row, ended in parsed))


def document(file: Path) -> dict[str, Any] | None:
    """Read a file that holds one JSON object; None when it is missing or not (yet) readable."""
    try:
        return _object(file.read_text(errors="replace"))
    except OSError:
        return None


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
