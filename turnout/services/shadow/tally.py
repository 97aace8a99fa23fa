"""What became of the exchanges of each model, by reason: nothing is dropped without being counted."""

import json
from collections import Counter, defaultdict

from turnout.fabric.state import State


class Tally:
    """Counts since the start of the service, written beside the captures.

    Args:
        state: Where the captures are.
    """

    def __init__(self, state: State) -> None:
        """Begin at zero."""
        self._state = state
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._changed: set[str] = set()

    def count(self, model: str, what: str) -> None:
        """One more exchange that this happened to."""
        self._counts[model][what] += 1
        self._changed.add(model)

    def of(self, model: str) -> dict[str, int]:
        """The counts of a model."""
        return dict(self._counts[model])

    def write(self) -> None:
        """Write what has changed to `captures/MODEL.counts.json`.

        Raises:
            OSError: The disk is full or not writable.
        """
        while self._changed:
            model = self._changed.pop()
            file = self._state.captures(model).with_name(f"{model}.counts.json")
            file.parent.mkdir(parents=True, exist_ok=True)
            staged = file.with_suffix(".tmp")
            staged.write_text(json.dumps(self._counts[model], sort_keys=True))
            staged.replace(file)
