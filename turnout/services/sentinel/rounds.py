"""How long the sentinel's rounds take, for whoever runs it: a line in its log each minute."""

import logging

REPORTED_ROUNDS = 60
"""Rounds between two lines."""

_log = logging.getLogger(__name__)


class Rounds:
    """Lengths of the rounds since the last line."""

    def __init__(self) -> None:
        """Begin with none."""
        self._seconds: list[float] = []

    def took(self, seconds: float) -> None:
        """Take a round's length in, and say the longest and the mean each minute."""
        self._seconds.append(seconds)
        if len(self._seconds) < REPORTED_ROUNDS:
            return
        mean = sum(self._seconds) / len(self._seconds)
        _log.info("rounds of the last minute: longest %.3f s, mean %.3f s", max(self._seconds), mean)
        self._seconds.clear()
