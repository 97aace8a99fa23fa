"""The comparisons that the shadow service appends to an attempt's file, each one read once."""

import json
import logging
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from turnout.domain.requests import ComparisonRecord

_log = logging.getLogger(__name__)
_RECORD: TypeAdapter[ComparisonRecord] = TypeAdapter(ComparisonRecord)


class Place(BaseModel):
    """How far a file has been read: which file, and the bytes."""

    model_config = ConfigDict(frozen=True)

    inode: int = 0
    offset: int = 0


START = Place()


def read(file: Path, place: Place, *, examples: bool = False) -> tuple[list[ComparisonRecord], Place]:
    """Return what came since, and the place after it; a half-written last line is left for the next time.

    Args:
        file: The comparisons of an attempt. When it has grown large it is renamed (`older`) and begun anew.
        place: Where the last read ended.
        examples: Keep the examples, the largest part of a line.
    """
    try:
        status = file.stat()
    except FileNotFoundError:
        return [], place
    inode = status.st_ino
    if (inode, status.st_size) == (place.inode, place.offset):
        return [], place  # the usual case, every second for every attempt
    # What stands in the renamed file is unread at the very start, and where the last read ended in it.
    renamed = _inode(older(file))
    rest: list[ComparisonRecord] = []
    if renamed is not None and place.inode in (0, renamed):
        rest, _ = _read_from(older(file), place.offset, examples=examples)
    new, offset = _read_from(file, place.offset if inode == place.inode else 0, examples=examples)
    return rest + new, Place(inode=inode, offset=offset)


def older(file: Path) -> Path:
    """Name of the file that a comparisons file becomes when it has grown large."""
    return file.with_suffix(".older.jsonl")


def _inode(file: Path) -> int | None:
    try:
        return file.stat().st_ino
    except FileNotFoundError:
        return None


def _read_from(file: Path, offset: int, *, examples: bool) -> tuple[list[ComparisonRecord], int]:
    with file.open("rb") as source:
        source.seek(offset)
        content = source.read()
    whole = content.rfind(b"\n") + 1
    parsed = [_parsed(line, examples=examples) for line in content[:whole].splitlines()]
    return [record for record in parsed if record], offset + whole


def _parsed(line: bytes, *, examples: bool) -> ComparisonRecord | None:
    try:
        document: dict[str, Any] = json.loads(line)
        return _RECORD.validate_python(document if examples else {**document, "example": None})
    except (ValueError, TypeError, ValidationError):
        _log.warning("a comparison that cannot be read was left out")
        return None
