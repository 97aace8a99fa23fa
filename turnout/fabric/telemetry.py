"""What the router tells of each request: its access log, read as it grows.

Two lines a request: one when the route was chosen (so that a request which hangs is known), one when it has
ended; between them one a second, which tells whether a long answer has begun. Read every second by the
sentinel for each route, so only what is new is read, and a log that stands still costs one look at each of
its files. Called by `turnout.services` and tasks.
"""

import functools
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Protocol

import orjson
from pydantic import Field

from turnout.domain.errors import InvalidInputError
from turnout.domain.requests import Arm, RequestRecord
from turnout.domain.rotation import KEPT_BYTES, LARGEST_BYTES, Part, surplus
from turnout.fabric import access_files
from turnout.fabric.access_files import AccessFiles, LogFile
from turnout.fabric.router.naming import check_model
from turnout.fabric.router.route_name import RouteName, parse
from turnout.fabric.state import State

FORGET_SECONDS = 600.0
"""A start whose end has not come for so long is forgotten: the router was killed in between."""
FORGET_BEGUN_SECONDS = 24 * 3600.0
"""The same of an answer that had begun: one that streams may take as long."""

_UNSEEN_KEPT = 16

REPEATS_READS = 10
"""A line that is told again is known as such for this many reads that brought something."""

_START = "DownstreamStart"
_UNDER_WAY = "DownstreamPeriodic"
_ANSWERED = "via_upstream"
_BROKEN = ("upstream_reset_after_response_started", "stream_idle_timeout")
_CUT_OFF = (*_BROKEN, "downstream_")
"""Details of an answer that had begun and did not come to its end; the last: its client left."""


class Counts(Protocol):
    """What the router counts by itself, for the log to be held against."""

    def completed(self) -> dict[str, int]:
        """Requests that it has answered, by model; see `Lateness.counts_begun`. A model without any may lack.

        Raises:
            TemporaryError: It cannot be told now, or the counts begin anew.
        """

    def reopen_logs(self) -> None:
        """Make the log's writers go on in new files where the old ones were renamed."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late a router's lines come to the reader, and when its counts grow.

    Attributes:
        settle_seconds: So long after a second all lines of its requests are there, save of requests that are
            known to be in flight.
        looks: Looks, a second apart, that a line may come after the one at which it is missed first.
        counts_begun: The router counts a request when its answer begins, not when it has ended.
        aside_seconds: A file that nobody has written to for so long is put aside: its proxy is gone. None:
            there is one proxy.
    """

    settle_seconds: float = 0.25
    looks: int = 0
    counts_begun: bool = False
    aside_seconds: float | None = None


FILES = Lateness()
"""Of Envoy's own files: it writes them every 0.1 s. Only a request whose start comes later than that is left
out, and lines of starts know nothing of arms or outcomes."""

SENT = Lateness(settle_seconds=1.5, looks=2, counts_begun=True, aside_seconds=6 * 3600.0)
"""Of lines that proxies send. They tell of a request when it has ended, or has been under way for 1 s (only
then is its arm known), 0.1 s later at most; and one that legacy answered in the candidate's place waits up to
1.2 s for the word that the candidate was never asked."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a log was read, and what was in flight there. A reader keeps it, as JSON too.

    Attributes:
        offsets: Bytes read of each of the log's files, whole lines only, by what the file goes by.
        in_flight: Requests seen to start and not to end, by id.
        ended: Ended requests that were read so far, each once; see `AccessLog.completed`.
        begun: The same, with those whose answer has begun.
        unreadable: Lines that were passed over because they are not what the router writes.
        recent: Ids that ended in the last reads, to tell a line that comes again; not saved, for the count of
            a reader that starts again is held against the router's only from then on.
    """

    offsets: dict[str, int] = field(default_factory=dict)
    in_flight: dict[str, RequestRecord] = field(default_factory=dict)
    ended: int = 0
    begun: int = 0
    unreadable: int = 0
    recent: Annotated[tuple[frozenset[str], ...], Field(exclude=True)] = field(
        default=(), compare=False, repr=False
    )

    @property
    def running(self) -> list[RequestRecord]:
        """The requests in flight."""
        return list(self.in_flight.values())


class AccessLog:
    """The access logs of all models.

    Args:
        state: The state directory.
        counts: What the router counts.
        lateness: How late its lines come.
    """

    def __init__(self, state: State, counts: Counts, lateness: Lateness = FILES) -> None:
        """Keep where things are; nothing is read yet."""
        self._files = AccessFiles(state.access_log("any").parent)
        self._counts = counts
        self.lateness = lateness

    def read(self, model: str, cursor: Cursor | None = None) -> tuple[list[RequestRecord], Cursor]:
        """Read what is new in a model's log, in the files of all its proxies.

        Args:
            model: The model.
            cursor: Where the last read ended; None: from the start.

        Returns:
            A record of each request that was seen to start or to end since then, and the new cursor: the same
            object where nothing is new. A request that started and has not ended comes once without a
            duration; its end replaces it later, under the same id.
        """
        cursor = cursor or Cursor()
        there: dict[str, int] = {}
        lines: list[tuple[str, bytes]] = []
        is_new = False
        for file, identity, size in self._there(model):
            offset = cursor.offsets.get(identity, 0)
            if size > offset:
                found, offset = access_files.whole_lines(file.path, offset)
                lines += [(file.proxy, line) for line in found]
                is_new = is_new or bool(found)
            there[identity] = offset
        return _join(lines, cursor, _placed(cursor, there)) if is_new else ([], cursor)

    def end(self, model: str, *, back_bytes: int = 0) -> Cursor:
        """A cursor at the end of a model's log as it is now, for readers who want only what comes.

        Args:
            model: The model.
            back_bytes: So much of the end of each proxy's files is still to be read.
        """
        offsets: dict[str, int] = {}
        left: dict[str, int] = {}
        for file, identity, size in reversed(list(self._there(model))):
            back = left.get(file.proxy, back_bytes)
            offsets[identity] = access_files.line_before(file.path, size, back)
            left[file.proxy] = max(0, back - size)
        return Cursor(offsets=offsets)

    def rotate(
        self,
        model: str,
        *,
        readers: Iterable[Cursor] = (),
        largest_bytes: int = LARGEST_BYTES,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        """Bound a model's log: put a large file aside, and delete the oldest parts that are too much.

        Args:
            model: The model.
            readers: Where its live readers are; what they have not read stays (`rotation.surplus`).
            largest_bytes: Size from which a file is put aside.
            kept_bytes: What all parts may take together.

        Raises:
            UnreachableError: The router does not answer: it writes on in the file put aside, and is asked
                again at the next call.
            OSError: A file cannot be renamed or deleted.
        """
        files, there = self._files.of(check_model(model)), list(self._there(model))
        large = [
            file for file, _, size in there
            if file.number is None and (size >= largest_bytes or self._is_left(file))
        ]  # fmt: skip
        for file in large:
            access_files.put_aside(files, file)
        parts = [_part(file, identity, size, tuple(readers)) for file, identity, size in there]
        gone = surplus([part for part in parts if part], kept_bytes=kept_bytes)
        for path in gone:
            Path(path).unlink()
        if large or gone:
            self._files.forget()
        if large or any(not _is_open(files, one) for one in files):
            self._counts.reopen_logs()

    def completed(self, model: str) -> int | None:
        """Requests that the router itself says it has answered since it started; None where it knows none.

        Raises:
            TemporaryError: It cannot be told now.
        """
        return self.all_completed().get(model)

    def all_completed(self) -> dict[str, int]:
        """`completed` of every model, in one call.

        Raises:
            TemporaryError: It cannot be told now.
        """
        return self._counts.completed()

    def counted(self, cursor: Cursor) -> int:
        """Requests read so far of the kind that `completed` counts."""
        return cursor.begun if self.lateness.counts_begun else cursor.ended

    def _is_left(self, file: LogFile) -> bool:
        """Whether a file has been left by a proxy that is gone."""
        longest = self.lateness.aside_seconds
        try:
            return longest is not None and time.time() - file.path.stat().st_mtime > longest
        except FileNotFoundError:
            return False

    def _there(self, model: str) -> Iterable[tuple[LogFile, str, int]]:
        """The files that hold a whole line, what they go by, and their sizes now."""
        for file in self._files.of(_checked(model)):
            try:
                status = file.path.stat()
            except FileNotFoundError:  # renamed or deleted since the folder was listed
                self._files.forget()
                continue
            if status.st_size and (identity := self._files.identity(file, status)):
                yield file, identity, status.st_size


_checked = functools.lru_cache(maxsize=None)(check_model)
_route = functools.lru_cache(maxsize=65_536)(parse)
"""One text for all requests of a version of a route."""


def _join(
    lines: list[tuple[str, bytes]], cursor: Cursor, offsets: dict[str, int]
) -> tuple[list[RequestRecord], Cursor]:
    """Join starts with ends, those of earlier reads included; a line that comes again changes nothing."""
    in_flight = dict(cursor.in_flight)
    told: dict[str, RequestRecord] = {}
    over: dict[str, RequestRecord] = {}
    begun, unreadable = cursor.begun, cursor.unreadable
    for proxy, line in lines:
        try:
            entry = orjson.loads(line)
            record, is_end = _parsed(proxy, entry), entry["type"] not in (_START, _UNDER_WAY)
        except (ValueError, KeyError, TypeError, InvalidInputError):
            unreadable += 1
            continue
        key = record.request_id
        if key in over or any(key in ids for ids in cursor.recent):
            continue
        known = in_flight.get(key)
        if known is None or known.first_byte_seconds is None:
            begun += is_end or record.first_byte_seconds is not None
        if is_end:
            over[key] = record
            told.pop(key, None)
            in_flight.pop(key, None)
        elif key not in told or entry["type"] == _UNDER_WAY:
            told[key] = in_flight[key] = record
    return [*told.values(), *over.values()], Cursor(
        offsets=offsets,
        in_flight=_remembered(in_flight),
        ended=cursor.ended + len(over),
        begun=begun,
        unreadable=unreadable,
        recent=(*cursor.recent, frozenset(over))[-REPEATS_READS:] if over else cursor.recent,
    )


def _placed(cursor: Cursor, there: dict[str, int]) -> dict[str, int]:
    """The offsets, some of files not seen now among them: one may be on its way to another name."""
    unseen = [(identity, offset) for identity, offset in cursor.offsets.items() if identity not in there]
    return {**dict(unseen[-_UNSEEN_KEPT:]), **there}


def _remembered(running: dict[str, RequestRecord]) -> dict[str, RequestRecord]:
    newest = max((one.started_seconds for one in running.values()), default=0.0)
    return {key: one for key, one in running.items() if newest - one.started_seconds < _remembered_for(one)}


def _remembered_for(one: RequestRecord) -> float:
    return FORGET_SECONDS if one.first_byte_seconds is None else FORGET_BEGUN_SECONDS


def _parsed(proxy: str, entry: dict[str, Any]) -> RequestRecord:
    route: RouteName = _route(str(entry["route"]))
    record = RequestRecord(
        # Unique within a proxy: two of them may give one connection number at one nanosecond.
        request_id=f"{proxy}/{entry['id']}" if proxy else entry["id"],
        model=route.model,
        attempt=route.attempt,
        route_version=route.version,
        arm=route.arm,
        weight=route.weight,
        started_seconds=float(entry["start"]),
    )
    return record if entry["type"] == _START else _answered(record, entry)


def _answered(record: RequestRecord, entry: dict[str, Any]) -> RequestRecord:
    """What a line tells of an answer: of a whole one, or of one under way that has begun."""
    begun, microseconds = _has_begun(entry), entry["duration_us"]
    under_way = entry["type"] == _UNDER_WAY
    if under_way and not begun:
        return record
    duration = entry["duration_ms"] / 1e3 if microseconds is None else microseconds / 1e6
    return replace(
        record,
        duration_seconds=None if under_way else duration,
        first_byte_seconds=entry["first_byte_us"] / 1e6 if begun and entry["first_byte_us"] else None,
        status=entry["status"],
        tries=entry["tries"] or 0,
        answered_by=Arm(entry["arm"]) if begun else None,
        broken=begun and (entry["details"] or "").startswith(_BROKEN),
    )


def _has_begun(entry: dict[str, Any]) -> bool:
    """Whether a server's answer reached the client, whole or in part; else the router answered itself."""
    details = entry["details"] or ""
    cut_off = bool(entry["first_byte_us"]) and details.startswith(_CUT_OFF) and entry["status"] < 500  # noqa: PLR2004 -- HTTP
    return entry["arm"] is not None and (details == _ANSWERED or cut_off)


def _is_open(files: tuple[LogFile, ...], one: LogFile) -> bool:
    """Whether a proxy has an open file: without one it has not heard yet that its file was put aside."""
    return any(file.proxy == one.proxy and file.number is None for file in files)


def _part(file: LogFile, identity: str, size: int, readers: tuple[Cursor, ...]) -> Part | None:
    try:
        quiet = time.time() - file.path.stat().st_mtime
    except FileNotFoundError:  # just put aside
        return None
    needed = any(one.offsets.get(identity, 0) < size for one in readers)
    return Part(str(file.path), size, file.number is None, quiet, needed)
