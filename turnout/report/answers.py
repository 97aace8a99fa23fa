"""What was answered, for people: differing examples, and the numbers or labels in V1 and V2 bodies."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from turnout.domain.requests import ComparisonRecord

_READABLE = 180


@dataclass(frozen=True, slots=True)
class NumberPair:
    """One number of both answers, and whether the exchange differs by the contract."""

    old: float
    new: float
    differs: bool


@dataclass(frozen=True, slots=True)
class LabelCount:
    """How often legacy answered `old` where the candidate answered `new`."""

    old: str
    new: str
    times: int


@dataclass(frozen=True, slots=True)
class Example:
    """One differing exchange, cut to a readable size."""

    at_seconds: float
    request: str
    old: str
    new: str
    distance: float | None
    what: str


def examples(comparisons: Sequence[ComparisonRecord], most: int) -> list[Example]:
    """The differing exchanges with the largest differences first, `most` of them."""
    kept = [c for c in comparisons if c.new_differs and c.example]
    worst = sorted(kept, key=lambda c: -1.0 if c.distance is None else c.distance, reverse=True)
    return [_example(c, c.example or {}) for c in worst[:most]]


def _example(record: ComparisonRecord, shown: Mapping[str, object]) -> Example:
    return Example(
        at_seconds=record.at_seconds,
        request=_inputs(shown.get("request")),
        old=_answer(shown.get("old")),
        new="no answer" if record.new_failed else _answer(shown.get("new")),
        distance=record.distance,
        what=str(shown.get("what") or ""),
    )


def number_pairs(comparisons: Sequence[ComparisonRecord]) -> list[NumberPair]:
    """Every number of the kept answers, side by side; only where both have equally many."""
    found: list[NumberPair] = []
    for record in comparisons:
        old, new = (list(_values((record.example or {}).get(side))) for side in ("old", "new"))
        if len(old) == len(new) and all(isinstance(v, int | float) for v in (*old, *new)):
            found += [
                NumberPair(float(a), float(b), record.new_differs) for a, b in zip(old, new, strict=True)
            ]
    return found


def label_counts(comparisons: Sequence[ComparisonRecord]) -> list[LabelCount]:
    """How the labels of differing answers moved, as far as they were kept; the most frequent move first."""
    moves: Counter[tuple[str, str]] = Counter()
    for record in (c for c in comparisons if c.new_differs):
        old, new = (list(_values((record.example or {}).get(side))) for side in ("old", "new"))
        moves.update((str(a), str(b)) for a, b in zip(old, new, strict=False) if a != b)
    return [LabelCount(old, new, times) for (old, new), times in moves.most_common()]


def _values(body: object) -> Iterator[Any]:
    """The leaves of V1 predictions, or of all V2 outputs, in their order."""
    parsed = _parsed(body)
    if not isinstance(parsed, dict):
        return
    outputs = parsed.get("outputs")
    data = [o.get("data") for o in outputs if isinstance(o, dict)] if isinstance(outputs, list) else None
    yield from _leaves(data if data is not None else parsed.get("predictions"))


def _leaves(value: object) -> Iterator[Any]:
    if isinstance(value, list):
        for child in value:
            yield from _leaves(child)
    elif value is not None:
        yield value


def _answer(body: object) -> str:
    values = list(_values(body))
    return _cut(", ".join(_said(v) for v in values) if values else _text(body))


def _inputs(body: object) -> str:
    parsed = _parsed(body)
    inputs = parsed.get("instances", parsed.get("inputs")) if isinstance(parsed, dict) else None
    if isinstance(inputs, list):
        data = [i.get("data", i) if isinstance(i, dict) else i for i in inputs]
        return _cut(", ".join(_said(v) for v in _leaves(data)))
    return _cut(_text(body))


def _said(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _parsed(body: object) -> object:
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return None


def _text(body: object) -> str:
    return body if isinstance(body, str) else json.dumps(body)


def _cut(text: str) -> str:
    return text if len(text) <= _READABLE else f"{text[:_READABLE]} …"
