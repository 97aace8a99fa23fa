"""The comparisons of each attempt: a ComparisonRecord a line, read by the sentinel and the shadow test."""

import dataclasses
from collections import Counter

from turnout.domain.requests import ComparisonRecord
from turnout.fabric.comparison_files import older
from turnout.fabric.state import State
from turnout.services.lines import Lines

LARGEST_FILE_BYTES = 64 * 1024 * 1024
"""A file that has grown so far is renamed and begun anew; the one before goes. Hours of a busy model."""

EXAMPLES = 200
"""Examples kept an attempt in one run of the service, of differing and of equal answers each: they are for
people, who read ten of them and look at a plot of the rest."""


class Comparisons:
    """Writes comparisons; the only writer of these files.

    Args:
        state: Where they are.
    """

    def __init__(self, state: State) -> None:
        """Begin with no example written."""
        self._state = state
        self._lines = Lines()
        self._examples: Counter[tuple[str, bool]] = Counter()

    def append(self, record: ComparisonRecord) -> None:
        """Append one comparison.

        Raises:
            OSError: The disk is full or not writable.
        """
        file = self._state.comparisons(record.attempt)
        if file.exists() and file.stat().st_size > LARGEST_FILE_BYTES:
            file.replace(older(file))
        self._lines.append(file, dataclasses.asdict(self._sparing(record)))

    def _sparing(self, record: ComparisonRecord) -> ComparisonRecord:
        kept = (record.attempt, record.new_differs)
        self._examples[kept] += 1
        return record if self._examples[kept] <= EXAMPLES else dataclasses.replace(record, example=None)
