"""Contracts as they are now, read anew only when their file has changed."""

import logging
from pathlib import Path

from turnout.domain.contract import Contract
from turnout.domain.errors import TurnoutError
from turnout.fabric import contracts

_log = logging.getLogger(__name__)


class Contracts:
    """The owners' contracts.

    Args:
        folder: Where they are, `MODEL.yaml` each.
    """

    def __init__(self, folder: Path) -> None:
        """Begin with none read."""
        self._folder = folder
        self._read: dict[str, tuple[int, Contract | None]] = {}

    def of(self, model: str) -> Contract | None:
        """The model's contract; None while there is none that can be read (said once in the log)."""
        try:
            changed = (self._folder / f"{model}.yaml").stat().st_mtime_ns
        except OSError:
            return None
        known = self._read.get(model)
        if known is None or known[0] != changed:
            known = self._read[model] = (changed, self._load(model))
        return known[1]

    def _load(self, model: str) -> Contract | None:
        try:
            return contracts.load(self._folder, model)
        except TurnoutError as error:
            _log.warning("%s", error)
            return None
