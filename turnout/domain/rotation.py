"""Which parts of a growing log may go: the disk is bounded, and no reader loses what it still needs."""

from collections.abc import Sequence
from dataclasses import dataclass

LARGEST_BYTES = 64 * 1024 * 1024
"""A file of this size is put aside and a new one begun: some 100,000 requests."""

KEPT_BYTES = 1024 * 1024 * 1024
"""All parts of one log together; a day at 20 requests a second."""

QUIET_SECONDS = 60.0
"""A part put aside may still be written to for a moment, by a router that has not reopened its log yet."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a log.

    Attributes:
        name: Its name.
        size_bytes: Its size.
        is_open: It is the one that is written to.
        quiet_seconds: Time since it was last written to.
        is_needed: A reader has not read all of it.
    """

    name: str
    size_bytes: int
    is_open: bool
    quiet_seconds: float
    is_needed: bool


def surplus(parts: Sequence[Part], *, kept_bytes: int = KEPT_BYTES) -> tuple[str, ...]:
    """Name the parts to delete.

    Args:
        parts: Of one log, the oldest first.
        kept_bytes: What all parts may take together. A part that a reader needs stays until twice as much is
            taken: then the disk comes first, and the reader finds that lines are missing.

    Returns:
        The oldest parts, as many as are too much; never the open one.
    """
    total = sum(part.size_bytes for part in parts)
    names = []
    for part in parts:
        limit = 2 * kept_bytes if part.is_needed else kept_bytes
        if total <= limit or part.is_open or part.quiet_seconds < QUIET_SECONDS:
            continue
        names.append(part.name)
        total -= part.size_bytes
    return tuple(names)
