"""Who was asked first: the records of tries that failed, joined to those of requests. Pure.

Two logs of a proxy come over two streams, so either record may come first. A request that was tried more than
once is held until its first try's record is there, or for as long as that may take; then the candidate was
asked, and failed. So what is lost counts against the candidate, never for it.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from turnout.fabric.gateway_api.access_lines import Entry, Try

HOLD_SECONDS = 1.2
"""A proxy sends its records 0.1 s after it wrote them, or 1 s where nothing was patched."""
REMEMBER_SECONDS = 5.0
MOST_WAITING = 100_000
"""Of each kind; the oldest go first."""
MOST_TRIES = 8
"""Of one id: a client that gives all its requests the same one takes no memory by it."""

Key = tuple[str, str]
"""A proxy and a request's id there."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as one proxy told of it."""

    proxy: str
    entry: Entry

    @property
    def key(self) -> Key:
        """What its tries' records are found by."""
        return self.proxy, self.entry.request


@dataclass
class Joining:
    """What waits for the other record."""

    _held: deque[tuple[float, Sent]] = field(default_factory=deque)
    _tries: OrderedDict[Key, tuple[float, list[Try]]] = field(default_factory=OrderedDict)

    def take(self, one: Sent, at_seconds: float) -> list[Sent]:
        """Take a request's record; returns it if it can be written now."""
        if not one.entry.waits:
            return [one]
        if first := self._first(one.key):
            return [Sent(one.proxy, one.entry.after(first))]
        self._held.append((at_seconds + HOLD_SECONDS, one))
        return []

    def failed(self, key: Key, one_try: Try, at_seconds: float) -> list[Sent]:
        """Take the record of a try; returns its request if that has waited for it."""
        for place, (_, one) in enumerate(self._held):
            if one.key == key:
                del self._held[place]
                return [Sent(one.proxy, one.entry.after(one_try))]
        _, earlier = self._tries.pop(key, (0.0, []))
        self._tries[key] = (at_seconds, [*earlier[-MOST_TRIES:], one_try])
        return []

    def due(self, at_seconds: float) -> list[Sent]:
        """The requests that have waited long enough."""
        found = []
        while self._held and (self._held[0][0] <= at_seconds or len(self._held) > MOST_WAITING):
            _, one = self._held.popleft()
            found.append(Sent(one.proxy, one.entry.after(None)))
        while self._tries and self._is_old(at_seconds):
            self._tries.popitem(last=False)
        return found

    def _is_old(self, at_seconds: float) -> bool:
        since, _ = next(iter(self._tries.values()))
        return since < at_seconds - REMEMBER_SECONDS or len(self._tries) > MOST_WAITING

    def _first(self, key: Key) -> Try | None:
        """The first try of a request; each record of one answers once."""
        since, tries = self._tries.pop(key, (0.0, []))
        if len(tries) > 1:
            self._tries[key] = (since, tries[1:])
        return tries[0] if tries else None
