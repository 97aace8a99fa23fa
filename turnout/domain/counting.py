"""From single requests to looks: each request counted exactly once, in the second in which it started.

The sentinel calls `advance` with whatever its telemetry brought since the last call, in any order; out come
the looks whose second is settled, each second once.

A second is counted as soon as every request that started in it is known to be good or bad (`outcomes`), at
the latest when the longest of the time limits has passed: a request still in flight by then counts as
hanging. Nothing is judged by when it ended, which would convict a candidate that fails fast while legacy
still waits for its own timeouts. Waiting no longer than needed changes only when a look comes, never what is
in it.
"""

import json
from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace
from typing import Any

from turnout.domain.errors import InvalidInputError
from turnout.domain.looks import Look, Pairs
from turnout.domain.outcomes import CountingRules, breaks_late, count
from turnout.domain.requests import Arm, ComparisonRecord, RequestRecord

__all__ = ["Counter", "CountingRules", "advance", "begin", "count", "lag_seconds"]

LATE_COMPARISON_SECONDS = 10
"""A comparison that comes later than this after its second was counted is left out."""

LARGEST_BATCH = 3600
"""Looks given out by one call at most; the next call goes on."""


@dataclass(frozen=True, slots=True)
class Counter:
    """What is counted so far, and what waits: a few seconds' requests. Saved in one record with the guard.

    Attributes:
        attempt: Only requests and comparisons of this attempt are counted.
        next_second: Unix time of the first second that is not counted yet; everything before is final.
        weight: Weight of the newest counted request; that of seconds without any.
        waiting: Requests of seconds not counted yet, by id.
        pairs: Comparisons of seconds not counted yet, by second.
        seen: Newest comparisons, so that one that arrives twice is counted once.
        broken: Answers that broke late, in seconds not counted yet.
    """

    attempt: str
    next_second: int
    weight: float = 0.0
    waiting: tuple[RequestRecord, ...] = ()
    pairs: tuple[tuple[int, Pairs], ...] = ()
    seen: frozenset[tuple[float, float]] = frozenset()
    broken: tuple[RequestRecord, ...] = ()

    def to_json(self) -> str:
        """Write the counter as JSON, exactly."""
        return json.dumps(
            {
                "attempt": self.attempt,
                "next_second": self.next_second,
                "weight": self.weight,
                "waiting": [astuple(record) for record in self.waiting],
                "pairs": [[second, astuple(pairs)] for second, pairs in self.pairs],
                "seen": sorted(self.seen),
                "broken": [astuple(record) for record in self.broken],
            },
            allow_nan=False,
        )

    @classmethod
    def from_json(cls, text: str) -> "Counter":
        """Read a counter back.

        Raises:
            InvalidInputError: The text is not a counter that `to_json` wrote.
        """
        try:
            document = json.loads(text)
            return cls(
                attempt=document["attempt"],
                next_second=document["next_second"],
                weight=document["weight"],
                waiting=tuple(_record(row) for row in document["waiting"]),
                pairs=tuple((second, Pairs(*counts)) for second, counts in document["pairs"]),
                seen=frozenset((at, took) for at, took in document["seen"]),
                broken=tuple(_record(row) for row in document.get("broken", [])),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidInputError(
                "counter",
                observed=str(error),
                limit="a counter written by this version",
                remedy="Roll the attempt back and start a new one: its counts are lost.",
            ) from error


def begin(attempt: str, at_seconds: float) -> Counter:
    """A counter that counts an attempt's requests from the next whole second on."""
    return Counter(attempt=attempt, next_second=int(at_seconds) + 1)


def lag_seconds(counter: Counter, now_seconds: float) -> float:
    """How far the counted seconds are behind; below 0 the clock was set back, and nothing is counted."""
    return now_seconds - counter.next_second


def advance(
    counter: Counter,
    rules: CountingRules,
    records: Iterable[RequestRecord],
    comparisons: Iterable[ComparisonRecord],
    now_seconds: float,
) -> tuple[Counter, list[Look]]:
    """Take new records in and give out the looks that are settled.

    Args:
        counter: What is counted so far.
        rules: When a request is judged.
        records: Requests as telemetry told of them since the last call: new, ended, or told of again.
        comparisons: Comparisons since the last call.
        now_seconds: Unix time up to which the records were read.

    Returns:
        The new counter, and the settled looks in order: one a second (empty where nothing came), or one for
        each weight where it changed within the second. What arrives after its second was counted changes
        nothing.
    """
    records = list(records)
    waiting, broken = _merged(counter, records), _broken(counter, rules, records)
    pairs, seen = _paired(counter, rules, comparisons)
    looks: list[Look] = []
    second, weight = counter.next_second, counter.weight
    while len(looks) < LARGEST_BATCH and _settled(second, waiting.get(second, []), rules, now_seconds):
        started = waiting.pop(second, [])
        looks += _looks_of(
            second,
            started,
            rules,
            weight,
            pairs=pairs.pop(second, Pairs()),
            broken=broken.pop(second, []),
        )
        second, weight = second + 1, looks[-1].weight
    return (
        replace(
            counter,
            next_second=second,
            weight=weight,
            waiting=tuple(record for started in waiting.values() for record in started),
            pairs=tuple(sorted(pairs.items())),
            seen=frozenset(key for key in seen if key[0] >= second - LATE_COMPARISON_SECONDS),
            broken=tuple(record for ended in broken.values() for record in ended),
        ),
        looks,
    )


def _merged(counter: Counter, records: Iterable[RequestRecord]) -> dict[int, list[RequestRecord]]:
    """The requests not counted yet, each once, by the second in which they started."""
    by_id: dict[str, RequestRecord] = {record.request_id: record for record in counter.waiting}
    for record in records:
        if record.attempt == counter.attempt and record.started_seconds >= counter.next_second:
            known = by_id.get(record.request_id)
            by_id[record.request_id] = record if known is None else _truer(known, record)
    waiting: dict[int, list[RequestRecord]] = {}
    for record in by_id.values():
        waiting.setdefault(int(record.started_seconds), []).append(record)
    return waiting


def _broken(
    counter: Counter, rules: CountingRules, records: Iterable[RequestRecord]
) -> dict[int, list[RequestRecord]]:
    """The answers that broke late, each once, by the second in which they broke."""
    ours = (r for r in records if r.attempt == counter.attempt and breaks_late(r, rules))
    ended: dict[int, list[RequestRecord]] = {}
    for record in {r.request_id: r for r in (*counter.broken, *ours)}.values():
        at_seconds = record.started_seconds + (record.duration_seconds or 0.0)
        if at_seconds >= counter.next_second:
            ended.setdefault(int(at_seconds), []).append(record)
    return ended


def _truer(one: RequestRecord, other: RequestRecord) -> RequestRecord:
    """Of two records of one request: the one that ended, of two ends the first; else the one that began."""
    if one.duration_seconds is None and other.duration_seconds is None:
        return one if other.first_byte_seconds is None else other
    if one.duration_seconds is None or other.duration_seconds is None:
        return other if one.duration_seconds is None else one
    return min(one, other, key=lambda r: (r.duration_seconds, repr(r)))


def _settled(second: int, started: list[RequestRecord], rules: CountingRules, now_seconds: float) -> bool:
    read_up_to = now_seconds - rules.settle_seconds
    if read_up_to < second + 1:
        return False
    if not rules.starts_logged and read_up_to < second + 1 + rules.known_after_seconds(Arm.CANDIDATE):
        return False
    return all(
        record.duration_seconds is not None
        or read_up_to >= record.started_seconds + rules.known_after_seconds(record.arm)
        for record in started
    )


def _looks_of(
    second: int,
    records: list[RequestRecord],
    rules: CountingRules,
    weight: float,
    *,
    pairs: Pairs,
    broken: list[RequestRecord],
) -> list[Look]:
    """One look for each weight of a second, in the order in which they came; the last has what is late."""
    records.sort(key=lambda r: (r.started_seconds, r.request_id))
    weights = list(dict.fromkeys(r.weight for r in records)) or [weight]
    return [
        count(
            [r for r in records if r.weight == each],
            rules,
            weight=each,
            pairs=pairs if each == weights[-1] else Pairs(),
            broken=broken if each == weights[-1] else (),
            at_seconds=float(second),
            seconds=1.0 / len(weights),
        )
        for each in weights
    ]


def _paired(
    counter: Counter, rules: CountingRules, comparisons: Iterable[ComparisonRecord]
) -> tuple[dict[int, Pairs], set[tuple[float, float]]]:
    pairs, seen = dict(counter.pairs), set(counter.seen)
    for record in comparisons:
        key = (record.at_seconds, record.candidate_seconds or 0.0)
        too_late = record.at_seconds < counter.next_second - LATE_COMPARISON_SECONDS
        if record.attempt != counter.attempt or too_late or key in seen:
            continue
        seen.add(key)
        second = max(int(record.at_seconds), counter.next_second)
        pairs[second] = _with(pairs.get(second, Pairs()), record, rules)
    return pairs, seen


def _with(pairs: Pairs, record: ComparisonRecord, rules: CountingRules) -> Pairs:
    if record.old_differs is None and not rules.deterministic:
        return pairs
    new, old = record.new_differs or record.new_failed, bool(record.old_differs)
    return Pairs(
        neither=pairs.neither + (not new and not old),
        old_only=pairs.old_only + (old and not new),
        new_only=pairs.new_only + (new and not old),
        both=pairs.both + (new and old),
    )


def _record(row: list[Any]) -> RequestRecord:
    record = RequestRecord(*row)
    by = record.answered_by
    return replace(record, arm=Arm(record.arm), answered_by=None if by is None else Arm(by))
