"""Processes at work on one route, let go one step at a time, so that tests can interleave them."""

import threading
from collections.abc import Callable

from turnout.domain.errors import RefusedError, TemporaryError, TurnoutError

Step = Callable[[str], None]
"""Called with a word before each look at or change of the route."""


class Stepped:
    """One process at work. A process that is never let go again is one that was stopped or killed.

    Attributes:
        done: Whether it has come to its end.
        refused: What it was told, where it was refused.
        steps: Words of the steps that it has begun.
    """

    def __init__(self, work: Callable[[Step], None]) -> None:
        """Start it; it stands before its first step."""
        self._go, self._stands = threading.Semaphore(0), threading.Semaphore(0)
        self.done = False
        self.refused: TurnoutError | None = None
        self.steps: list[str] = []
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()
        self._stands.acquire()

    def advance(self) -> None:
        """Let it take one step."""
        if not self.done:
            self._go.release()
            self._stands.acquire()

    def finish(self) -> None:
        """Let it go on to its end."""
        while not self.done:
            self.advance()
        self._thread.join()

    def _step(self, word: str) -> None:
        self.steps.append(word)
        self._stands.release()
        self._go.acquire()

    def _run(self, work: Callable[[Step], None]) -> None:
        try:
            work(self._step)
        except (RefusedError, TemporaryError) as error:
            self.refused = error
        finally:
            self.done = True
            self._stands.release()
