"""Which requests the candidate was never asked: the records of tries, joined to those of requests. Pure.

Two logs of a proxy come over two streams, so either record may come first. A request that the door may not
have sent is held until its try's record is there, or for as long as that may take; then the candidate was
asked, and failed. So what is lost counts against the candidate, never for it.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from turnout.fabric.gateway_api.access_lines import Entry

HOLD_SECONDS = 1.2
"""A proxy sends its records 0.1 s after it wrote them, or 1 s where nothing was patched."""
REMEMBER_SECONDS = 5.0
MOST_WAITING = 100_000
"""Of each kind; the oldest go first."""

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
    _unsent: OrderedDict[Key, tuple[float, int]] = field(default_factory=OrderedDict)

    def take(self, one: Sent, at_seconds: float) -> list[Sent]:
        """Take a request's record; returns it if it can be written now."""
        if not one.entry.may_be_unsent:
            return [one]
        if self._was_unsent(one.key):
            return [Sent(one.proxy, one.entry.unsent())]
        self._held.append((at_seconds + HOLD_SECONDS, one))
        return []

    def unsent(self, key: Key, at_seconds: float) -> list[Sent]:
        """Take the record of a try that nobody was sent; returns its request if that has waited for it."""
        for place, (_, one) in enumerate(self._held):
            if one.key == key:
                del self._held[place]
                return [Sent(one.proxy, one.entry.unsent())]
        _, count = self._unsent.pop(key, (0.0, 0))
        self._unsent[key] = (at_seconds, count + 1)
        return []

    def due(self, at_seconds: float) -> list[Sent]:
        """The requests that have waited long enough."""
        found = []
        while self._held and (self._held[0][0] <= at_seconds or len(self._held) > MOST_WAITING):
            found.append(self._held.popleft()[1])
        while self._unsent and self._is_old(at_seconds):
            self._unsent.popitem(last=False)
        return found

    def _is_old(self, at_seconds: float) -> bool:
        since, _ = next(iter(self._unsent.values()))
        return since < at_seconds - REMEMBER_SECONDS or len(self._unsent) > MOST_WAITING

    def _was_unsent(self, key: Key) -> bool:
        """Whether a try of this request was sent to nobody; each record of one answers once."""
        since, count = self._unsent.get(key, (0.0, 0))
        if count > 1:
            self._unsent[key] = (since, count - 1)
        elif count:
            del self._unsent[key]
        return count > 0
