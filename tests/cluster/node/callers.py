"""Callers outside the cluster, whose name resolves to what a small table says."""

import threading

import httpx

from tests.waiting import until

CLIENTS = 4
PAUSE_SECONDS = 0.05
ANSWERS = 25
"""What each client has to be answered at an address before the next step."""
WITHIN_SECONDS = 120.0


class Clients:
    """Callers outside the cluster: each looks its address up for each request, and keeps every answer."""

    def __init__(self, host, address, path, body):
        """Know what is called, and to which address it resolves for each of them."""
        self.host, self.path, self.body = host, path, body
        self.resolved = [address] * CLIENTS
        self.answers = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(number,)) for number in range(CLIENTS)]

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

    def move(self, address, numbers=range(CLIENTS)):
        """Let the host resolve to an address, for some of them; return when they were answered there."""
        for number in numbers:
            self.resolved[number] = address
        begun = len(self.answers)
        until(lambda: all(self._at(begun, n) >= ANSWERS for n in range(CLIENTS)), "answers", WITHIN_SECONDS)

    def _at(self, begun, number):
        """How often a client was answered where it now calls."""
        now = self.answers[begun:]
        return sum((number, self.resolved[number]) == (who, where) for who, where, _, _ in now)

    def _call(self, number):
        with httpx.Client(headers={"host": self.host}, timeout=30) as client:
            while not self._over.wait(PAUSE_SECONDS):
                where = self.resolved[number]
                try:
                    answer = client.post(f"http://{where}{self.path}", json=self.body)
                    self.answers.append((number, where, answer.status_code, answer.text))
                except httpx.HTTPError as error:
                    self.answers.append((number, where, 0, repr(error)))
