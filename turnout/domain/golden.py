"""The golden set: distinct requests of production with legacy's answers, and what they cover.

Chosen by `tasks.baseline`; conversions are proved and deployments are tried on it.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from turnout.domain import event_stream
from turnout.domain.answers import MalformedError
from turnout.domain.bodies import parsed
from turnout.domain.comparison import compare
from turnout.domain.contract import AnswerKind, Contract, Wire
from turnout.domain.errors import InvalidInputError
from turnout.domain.requests import Arm

Capture = Mapping[str, Any]
"""One line of a captures file."""

LARGEST = 200
"""Requests in a golden set: enough to leave an undetected difference in 1.5 % of them a chance of 5 %."""

_OK = 200


@dataclass(frozen=True)
class Usable:
    """A captured exchange that can stand in a golden set.

    Attributes:
        capture: The line as it was captured.
        key: The same for the same request; the id that a V2 client sends does not count.
        answer: Legacy's answer, parsed and well-formed.
        classes: What it answers: labels, or predicted classes; empty for what has none.
    """

    capture: Capture
    key: str
    answer: Any
    classes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Repeats:
    """Answers to requests that were captured more than once.

    Attributes:
        pairs: How many second answers there are.
        differing: How many of them differ from the first one by the contract.
    """

    pairs: int
    differing: int


def usable(capture: Capture, contract: Contract) -> Usable | None:
    """What a capture offers; None where legacy did not answer it well, or its bodies cannot be read."""
    by = capture.get("answered_by") or capture.get("arm")
    if by != Arm.LEGACY or capture.get("status") != _OK or capture.get("method") != "POST":
        return None
    try:
        request, answer = json.loads(_body(capture, "request")), parsed(contract, _body(capture, "response"))
        compare(contract, answer, answer)
    except (ValueError, RecursionError, InvalidInputError, MalformedError):
        return None
    return Usable(
        capture=capture,
        key=_key(capture, request),
        answer=answer,
        classes=frozenset(_classes(contract, answer)),
    )


def choose(found: Sequence[Usable], *, largest: int = LARGEST) -> list[Usable]:
    """Choose distinct requests, the classes that are rarest so far first.

    Args:
        found: Usable captures in the order of their time.
        largest: Most requests in the set.
    """
    first: dict[str, Usable] = {}
    for one in found:
        first.setdefault(one.key, one)
    distinct = list(first.values())
    waiting = {
        label: [one for one in distinct if label in (one.classes or {""})] for label in _labels(distinct)
    }
    covered: Counter[str] = Counter()
    chosen: dict[str, Usable] = {}
    while waiting and len(chosen) < largest:
        label = min(waiting, key=lambda name: (covered[name], name))
        left = [one for one in waiting[label] if one.key not in chosen]
        if left:
            chosen[left[0].key] = left[0]
            covered.update(left[0].classes or {""})
        waiting[label] = left[1:]
        if not waiting[label]:
            del waiting[label]
    return [one for one in distinct if one.key in chosen]


def coverage(contract: Contract, chosen: Sequence[Usable]) -> dict[str, Any]:
    """What a golden set covers: requests by class, a regression's range, vectors by their dimension."""
    kind = contract.same_answer.kind
    if kind is AnswerKind.JSON:
        return {"requests": len(chosen)}
    if kind is AnswerKind.TEXT:
        streamed = sum(event_stream.is_one(one.capture["response"]) for one in chosen)
        return {"requests": len(chosen), "streamed": streamed}
    if kind is AnswerKind.EMBEDDING:
        return dict(sorted(Counter(f"{one} dimensions" for one in _dimensions(contract, chosen)).items()))
    if kind is not AnswerKind.REGRESSION:
        return dict(sorted(Counter(label for one in chosen for label in one.classes).items()))
    values = [value for one in chosen for row in _rows(contract, one.answer) for value in _numbers(row)]
    return {"lowest": min(values), "highest": max(values)} if values else {}


def repeats(contract: Contract, found: Sequence[Usable]) -> Repeats:
    """Compare every later answer to a request with the first one: legacy's own noise."""
    first: dict[str, Usable] = {}
    pairs = differing = 0
    for one in found:
        earlier = first.setdefault(one.key, one)
        if earlier is not one:
            pairs += 1
            differing += compare(contract, earlier.answer, one.answer).differs
    return Repeats(pairs=pairs, differing=differing)


def _body(capture: Capture, side: str) -> str:
    body = capture.get(side)
    if capture.get(f"{side}_base64") or not isinstance(body, str):
        raise ValueError(side)
    return body


def _key(capture: Capture, request: Any) -> str:
    asked = (
        {key: value for key, value in request.items() if key != "id"}
        if isinstance(request, dict)
        else request
    )
    return json.dumps([capture.get("path"), asked], sort_keys=True)


def _labels(distinct: Sequence[Usable]) -> list[str]:
    return sorted({label for one in distinct for label in one.classes or {""}})


def _classes(contract: Contract, answer: Any) -> Iterator[str]:
    kind = contract.same_answer.kind
    if kind not in {AnswerKind.LABELS, AnswerKind.PROBABILITIES}:
        return
    for row in _rows(contract, answer):
        yield _label(row) if kind is AnswerKind.LABELS else _likeliest(_numbers(row))


def _rows(contract: Contract, answer: Any) -> list[Any]:
    """One entry for each instance; in V2 those of the first output."""
    if contract.wire is Wire.V1:
        return list(answer["predictions"])
    if contract.wire is Wire.OPENAI:
        return [one["embedding"] for one in answer["data"]]
    output = answer["outputs"][0]
    flat = list(_leaves(output["data"]))
    width = math.prod(output["shape"][1:])
    return [flat[start : start + width] for start in range(0, len(flat), width)] if width else []


def _dimensions(contract: Contract, chosen: Sequence[Usable]) -> Iterator[int]:
    for one in chosen:
        yield from (len(_numbers(row)) for row in _rows(contract, one.answer))


def _label(row: Any) -> str:
    leaves = list(_leaves(row))
    return str(leaves[0]) if len(leaves) == 1 else json.dumps(row, sort_keys=True)


def _likeliest(probabilities: list[float]) -> str:
    if not probabilities:
        return "no probability"
    if len(probabilities) == 1:
        return "at least 0.5" if probabilities[0] >= 0.5 else "below 0.5"  # noqa: PLR2004 -- a coin
    return str(probabilities.index(max(probabilities)))


def _numbers(row: Any) -> list[float]:
    return [leaf for leaf in _leaves(row) if isinstance(leaf, int | float) and not isinstance(leaf, bool)]


def _leaves(row: Any) -> Iterator[Any]:
    if isinstance(row, dict | list):
        for part in row.values() if isinstance(row, dict) else row:
            yield from _leaves(part)
    else:
        yield row
