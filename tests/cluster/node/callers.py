"""Callers outside the cluster, whose name resolves to what a small table says."""

import itertools
import threading

import httpx

from tests.waiting import until

CLIENTS = 4
PAUSE_SECONDS = 0.05
ANSWERS = 25
WITHIN_SECONDS = 120.0


class Clients:
    """Callers outside the cluster: each looks its address up for each request, and keeps every answer.

    Args:
        host: What they call.
        address: What it resolves to at first.
        path: The path of their requests.
        bodies: What they send, in turn.
        count: How many they are.
        enough: What each has to be answered at an address before the next step.
        pause: Seconds from an answer to the next request; may be changed at any time.
    """

    def __init__(self, host, address, path, *bodies, count=CLIENTS, enough=ANSWERS, pause=PAUSE_SECONDS):
        """Nobody calls yet."""
        self.host, self.path, self.bodies = host, path, bodies
        self._enough, self.pause = enough, pause
        self.resolved = [address] * count
        self.answers = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(number,)) for number in range(count)]

    def __enter__(self):
        """Begin to call."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error):
        """Call no more."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def move(self, address, numbers=None):
        """Let the host resolve to an address, for some or all; return when each was answered there."""
        everybody = range(len(self.resolved))
        for number in everybody if numbers is None else numbers:
            self.resolved[number] = address
        begun = len(self.answers)
        until(
            lambda: all(self._at(begun, number) >= self._enough for number in everybody),
            "answers", WITHIN_SECONDS,
        )  # fmt: skip

    def _at(self, begun, number):
        """How often a client was answered where it now calls."""
        now = self.answers[begun:]
        return sum((number, self.resolved[number]) == (who, where) for who, where, _, _ in now)

    def _call(self, number):
        with httpx.Client(headers={"host": self.host}, timeout=30) as client:
            asked = itertools.cycle(self.bodies[number:] + self.bodies[:number])
            while not self._over.wait(self.pause):
                where = self.resolved[number]
                try:
                    answer = client.post(f"http://{where}{self.path}", json=next(asked))
                    self.answers.append((number, where, answer.status_code, answer.text))
                except httpx.HTTPError as error:
                    self.answers.append((number, where, 0, repr(error)))
