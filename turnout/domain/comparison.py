"""Is the new answer the same as the old one, as the model's contract defines it?

Called by the shadow service for every replay, and by the phases that prove a conversion on the golden set.
Answers are parsed JSON bodies: V1 `{"predictions": [...]}`, V2 `{"outputs": [...]}` of name, shape, datatype
and data each; OpenAI's as it is, put together where it was streamed. What names the one exchange (`id`,
`model_version`, `parameters`) is never compared.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from turnout.domain import answers, generated, vectors
from turnout.domain.answers import Answer, MalformedError, at, is_number, say
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Wire
from turnout.domain.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Difference:
    """What a comparison found.

    Attributes:
        differs: The answers are not the same by the contract.
        distance: Largest absolute difference of a number; for labels the share that differs, in [0, 1]; for
            embeddings the largest of one minus the cosine, and of the relative difference in length; for
            texts the share of the longer one that lies behind the first difference;
            None where no distance can be given (another shape, text or NaN for a number, a malformed answer).
        what: One sentence for people.
    """

    differs: bool
    distance: float | None
    what: str


class _MismatchError(Exception):
    """Two well-formed answers differ in form: keys, lengths, shapes, datatypes."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two leaves at the same place of both answers; `exact` where no tolerance may apply.

    Where the contract compares embeddings, a leaf is a whole vector.
    """

    place: str
    old: Any
    new: Any
    exact: bool = False


def compare(contract: Contract, old: Answer, new: Answer) -> Difference:
    """Hold a new answer against the old one.

    Args:
        contract: Says the protocol and what counts as the same.
        old: Parsed body of legacy's answer.
        new: Parsed body of the candidate's answer (or of legacy's second one).

    Returns:
        The difference; a malformed new answer differs.

    Raises:
        InvalidInputError: The old answer is malformed, so nothing can be said.
    """
    if contract.same_answer.kind is AnswerKind.TEXT:
        return _texts(contract, old, new)
    shape = _form(contract)
    try:
        before = shape(old)
    except MalformedError as error:
        raise _unusable(contract, error) from error
    try:
        pairs = list(_pairs(contract, before, shape(new)))
    except (MalformedError, _MismatchError) as error:
        return Difference(differs=True, distance=None, what=f"{error}.")
    return _verdict(contract.same_answer, pairs)


def _texts(contract: Contract, old: Answer, new: Answer) -> Difference:
    """Hold generated texts against each other."""
    try:
        before = generated.generated(old)
    except MalformedError as error:
        raise _unusable(contract, error) from error
    try:
        found = generated.compare(before, generated.generated(new))
    except MalformedError as error:
        return Difference(differs=True, distance=None, what=f"{error}.")
    return Difference(differs=found.differ, distance=found.distance, what=found.what)


def _form(contract: Contract) -> Callable[[Answer], Any]:
    """What takes the compared parts of an answer: those that the protocol names, or the contract itself."""
    same = contract.same_answer
    if same.kind is AnswerKind.JSON:
        return lambda answer: answers.chosen(answer, same.fields, same.ignored)
    return {Wire.V1: answers.v1, Wire.V2: answers.v2, Wire.OPENAI: answers.openai}[contract.wire]


def _unusable(contract: Contract, error: Exception) -> InvalidInputError:
    return InvalidInputError(
        f"old answer of {contract.model}",
        observed=str(error),
        limit=f"a well-formed {contract.wire.upper()} answer",
        remedy="Compare successful answers only, and check the contract's wire.",
    )


def _pairs(contract: Contract, old: Any, new: Any) -> Iterator[_Pair]:
    kind = contract.same_answer.kind
    if contract.wire is not Wire.V2 or kind is AnswerKind.JSON:
        yield from _walk(kind, old, new, "")
        return
    if old["model_name"] and new["model_name"] and old["model_name"] != new["model_name"]:
        raise _MismatchError(f"the model is called {say(new['model_name'])}, not {say(old['model_name'])}")
    _same_keys(old["outputs"], new["outputs"], "outputs")
    for name, before in old["outputs"].items():
        yield from _tensor_pairs(kind, name, before, new["outputs"][name])


def _tensor_pairs(kind: AnswerKind, name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[_Pair]:
    for part in ("datatype", "shape"):
        if old[part] != new[part]:
            raise _MismatchError(f"output {name} has the {part} {new[part]}, not {old[part]}")
    # Beside probabilities an integer output is a class: a relative tolerance must not blur it.
    is_class = old["datatype"] in answers.INTEGER_DATATYPES and kind is AnswerKind.PROBABILITIES
    exact = is_class or old["datatype"] in answers.EXACT_DATATYPES
    if kind is AnswerKind.EMBEDDING and not exact and old["shape"]:
        yield from _vector_pairs(name, old["shape"][-1], old["data"], new["data"])
        return
    for index, (before, after) in enumerate(zip(old["data"], new["data"], strict=True)):
        yield _Pair(f"{name}[{index}]", before, after, exact=exact)


def _vector_pairs(name: str, width: int, old: list[float], new: list[float]) -> Iterator[_Pair]:
    """The rows of a tensor: an embedding each."""
    for start in range(0, len(old), width) if width else ():
        row = slice(start, start + width)
        yield _Pair(f"{name}[{start // width}]", old[row], new[row])


def _walk(kind: AnswerKind, old: Any, new: Any, place: str) -> Iterator[_Pair]:
    if kind is AnswerKind.EMBEDDING and vectors.are_two(old, new):
        yield _Pair(place, old, new)
    elif isinstance(old, dict) and isinstance(new, dict):
        _same_keys(old, new, place or "the answer")
        for key, before in old.items():
            yield from _walk(kind, before, new[key], at(place, key))
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            raise _MismatchError(f"{place} has {len(new)} entries, not {len(old)}")
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _walk(kind, before, after, at(place, index))
    elif isinstance(old, dict | list) or isinstance(new, dict | list):
        raise _MismatchError(f"{place} is {answers.kind(new)}, not {answers.kind(old)}")
    else:
        yield _Pair(place, old, new)


def _same_keys(old: dict[str, Any], new: dict[str, Any], place: str) -> None:
    if old.keys() != new.keys():
        raise _MismatchError(f"{place}: found {answers.names(new)}, not {answers.names(old)}")


def _verdict(same: SameAnswer, pairs: list[_Pair]) -> Difference:
    differing = [pair for pair in pairs if not _same(same, pair)]
    distance = _distance(same, pairs, len(differing))
    if not differing:
        return Difference(differs=False, distance=distance, what=f"All {len(pairs)} values are the same.")
    first = max(differing, key=_gap)
    sentence = f"{first.place}: {_change(first)}"
    return Difference(
        differs=True, distance=distance, what=f"{sentence} ({len(differing)} of {len(pairs)} differ)."
    )


def _change(pair: _Pair) -> str:
    if isinstance(pair.old, list):
        return vectors.change(pair.old, pair.new)
    return f"{say(pair.old)} became {say(pair.new)}"


def _same(same: SameAnswer, pair: _Pair) -> bool:
    """Labels and text are equal or not; numbers as numpy.isclose(new, old, equal_nan=True) defines it."""
    old, new = pair.old, pair.new
    if isinstance(old, list):
        return vectors.are_the_same(old, new, same)
    if not (is_number(old) and is_number(new)):
        return type(old) is type(new) and bool(old == new)
    if old == new or (math.isnan(old) and math.isnan(new)):
        return True
    if pair.exact or same.kind is AnswerKind.LABELS or not (math.isfinite(old) and math.isfinite(new)):
        return False
    return bool(abs(new - old) <= same.absolute_tolerance + same.relative_tolerance * abs(old))


def _distance(same: SameAnswer, pairs: list[_Pair], differing: int) -> float | None:
    if same.kind is AnswerKind.LABELS:
        return differing / len(pairs) if pairs else 0.0
    largest = max((_gap(pair) for pair in pairs), default=0.0)
    return largest if math.isfinite(largest) else None


def _gap(pair: _Pair) -> float:
    """Absolute difference of two numbers, or of two vectors; infinite where one cannot be given."""
    old, new = pair.old, pair.new
    if isinstance(old, list):
        return vectors.gap(old, new)
    if not (is_number(old) and is_number(new)):
        return 0.0 if type(old) is type(new) and old == new else math.inf
    if old == new or (math.isnan(old) and math.isnan(new)):
        return 0.0
    gap = abs(float(new) - float(old))
    return math.inf if math.isnan(gap) else gap
