"""What came in: records of proxies become lines in the files that `turnout.fabric.telemetry` reads.

Nothing that comes in can raise an error or name a path: what is not a record of a known model's route is
counted and left out. A line that cannot be written is lost, and the reader finds it missing against the
proxies' own counts.
"""

import logging
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import orjson

from turnout.domain.errors import InvalidInputError
from turnout.fabric.gateway_api import access_lines
from turnout.fabric.state import State
from turnout.services.collector.joining import Joining, Sent
from turnout.services.lines import Lines

LARGEST_VALUE_CHARACTERS = 8 * 1024
_PROXY = re.compile(r"[a-z0-9-]{1,128}")
_REPORT_SECONDS = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Record:
    """One log record.

    Attributes:
        proxy: Name of the proxy's pod.
        attributes: Texts by name.
    """

    proxy: str
    attributes: Mapping[str, str]


@dataclass
class Tally:
    """What became of the records: how many of each."""

    written: int = 0
    unreadable: int = 0
    foreign: int = 0
    lost: int = 0
    since: float = field(default_factory=time.monotonic)


class Inbox:
    """Takes records and appends lines, each proxy's of a model to a file of its own.

    Args:
        state: The state directory.
        namespace: Of the models' routes: others' are left out.
        is_known: Whether a model is registered.
        clock: Seconds of a clock that is never set back.
    """

    def __init__(
        self,
        state: State,
        namespace: str,
        is_known: Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nothing taken."""
        self._folder = state.access_log("any").parent
        self._namespace, self._is_known, self._clock = namespace, is_known, clock
        self._joining, self._lines, self._lock = Joining(), Lines(), threading.Lock()
        self.tally = Tally()

    def take(self, records: Iterable[Record]) -> None:
        """Take a batch, and write what can be written now."""
        with self._lock:
            at = self._clock()
            ready = [one for record in records for one in self._ready(record, at)]
            self._write([*self._joining.due(at), *ready])

    def settle(self) -> None:
        """Write the requests that have waited long enough; called several times a second."""
        self.take(())

    def _ready(self, record: Record, at: float) -> list[Sent]:
        attributes = record.attributes
        if not _PROXY.fullmatch(record.proxy) or max(map(len, attributes.values()), default=0) > (
            LARGEST_VALUE_CHARACTERS
        ):
            self.tally.unreadable += 1
            return []
        if found := access_lines.failed(attributes):
            return self._joining.failed((record.proxy, found[0]), found[1], at)
        try:
            entry = access_lines.entry(attributes)
        except InvalidInputError:
            self.tally.unreadable += 1
            return []
        if entry is None:
            return []
        if entry.namespace != self._namespace or not self._is_known(entry.model):
            self.tally.foreign += 1
            return []
        return self._joining.take(Sent(record.proxy, entry), at)

    def _write(self, ready: list[Sent]) -> None:
        lines = defaultdict(list)
        for one in ready:
            lines[one.entry.model, one.proxy].append(orjson.dumps(one.entry.line) + b"\n")
        for (model, proxy), each in lines.items():
            try:
                self._lines.append_encoded(self._folder / f"{model}.{proxy}.jsonl", b"".join(each))
                self.tally.written += len(each)
            except OSError as error:
                if not self.tally.lost:
                    _log.warning("access log of %s: %s", model, error)
                self.tally.lost += len(each)
        self._report()

    def _report(self) -> None:
        """Say once a minute what was left out, where anything was."""
        told = self.tally
        if time.monotonic() - told.since < _REPORT_SECONDS:
            return
        self.tally = Tally()
        if told.unreadable or told.foreign or told.lost:
            _log.warning(
                "records of proxies in the last minute: %d written, %d not readable, %d of no model of ours, "
                "%d lost on the disk",
                told.written, told.unreadable, told.foreign, told.lost,
            )  # fmt: skip
