"""Is the new answer the same as the old one, as the model's contract defines it?

Called by the shadow service for every replay, and by the phases that prove a conversion on the golden set.
Answers are parsed JSON bodies: V1 `{"predictions": [...]}`, V2 `{"outputs": [...]}` of name, shape, datatype
and data each. What names the one exchange (`id`, `model_version`, `parameters`) is never compared.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Wire
from turnout.domain.errors import InvalidInputError

DEPTH_LIMIT = 32
"""Deepest nesting of an answer that is followed; real tensors have far fewer dimensions."""

_NOT_COMPARED = frozenset({"id", "model_version", "parameters"})
_EXACT_DATATYPES = frozenset({"BOOL", "BYTES"})
_FLOAT_DATATYPES = frozenset({"FP16", "BF16", "FP32", "FP64"})
_INTEGER_DATATYPES = frozenset({f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)})
_DATATYPES = _EXACT_DATATYPES | _FLOAT_DATATYPES | _INTEGER_DATATYPES

Answer = Any
"""A parsed JSON body, as it came: it may be malformed."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What a comparison found.

    Attributes:
        differs: The answers are not the same by the contract.
        distance: Largest absolute difference of a number; for labels the share that differs, in [0, 1];
            None where no distance can be given (another shape, text or NaN for a number, a malformed answer).
        what: One sentence for people.
    """

    differs: bool
    distance: float | None
    what: str


class _MalformedError(Exception):
    """An answer does not have the form that its protocol asks for."""


class _MismatchError(Exception):
    """Two well-formed answers differ in form: keys, lengths, shapes, datatypes."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two leaves at the same place of both answers; `exact` where no tolerance may apply."""

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
    shape = _v1 if contract.wire is Wire.V1 else _v2
    try:
        before = shape(old)
    except _MalformedError as error:
        raise _unusable(contract, error) from error
    try:
        pairs = list(_pairs(contract, before, shape(new)))
    except (_MalformedError, _MismatchError) as error:
        return Difference(differs=True, distance=None, what=f"{error}.")
    return _verdict(contract.same_answer, pairs)


def _unusable(contract: Contract, error: Exception) -> InvalidInputError:
    return InvalidInputError(
        f"old answer of {contract.model}",
        observed=str(error),
        limit=f"a well-formed {contract.wire.upper()} answer",
        remedy="Compare successful answers only, and check the contract's wire.",
    )


def _v1(answer: Answer) -> dict[str, Any]:
    """The compared parts of a V1 answer."""
    if not isinstance(answer, dict):
        raise _MalformedError(f"the answer is {_kind(answer)}, not an object")
    if not isinstance(answer.get("predictions"), list):
        raise _MalformedError("the answer has no list of predictions")
    parts = {key: value for key, value in answer.items() if key not in _NOT_COMPARED}
    _check_leaves(parts, "", depth=0)
    return parts


def _v2(answer: Answer) -> dict[str, Any]:
    """The compared parts of a V2 answer: outputs by name, each with its data flat."""
    if not isinstance(answer, dict):
        raise _MalformedError(f"the answer is {_kind(answer)}, not an object")
    outputs = answer.get("outputs")
    if not isinstance(outputs, list) or not outputs:
        raise _MalformedError("the answer has no outputs")
    named = dict(_output(output) for output in outputs)
    if len(named) != len(outputs):
        raise _MalformedError("two outputs have the same name")
    return {"model_name": answer.get("model_name"), "outputs": named}


def _output(output: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(output, dict) or not isinstance(output.get("name"), str):
        raise _MalformedError("an output has no name")
    name, datatype, shape = output["name"], output.get("datatype"), output.get("shape")
    if not isinstance(datatype, str) or datatype not in _DATATYPES:
        raise _MalformedError(f"output {name} has the datatype {_say(datatype)}")
    if not _is_shape(shape):
        raise _MalformedError(f"output {name} has the shape {_say(shape)}")
    data = list(_flat(output.get("data"), name, depth=0))
    if len(data) != math.prod(shape):
        raise _MalformedError(f"output {name} has {len(data)} values for the shape {shape}")
    if wrong := [value for value in data if not _fits(value, datatype)]:
        raise _MalformedError(f"output {name} holds {_say(wrong[0])}, which is no {datatype}")
    return name, {"datatype": datatype, "shape": shape, "data": data}


def _is_shape(shape: Any) -> TypeGuard[list[int]]:
    return isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)


def _flat(data: Any, name: str, *, depth: int) -> Iterator[Any]:
    """V2 data in row-major order: servers may send it flat or nested."""
    if not isinstance(data, list) or depth > DEPTH_LIMIT:
        raise _MalformedError(f"output {name} has no list of data")
    for value in data:
        if isinstance(value, list):
            yield from _flat(value, name, depth=depth + 1)
        else:
            yield value


def _fits(value: Any, datatype: str) -> bool:
    if datatype == "BYTES":
        return isinstance(value, str)
    if datatype == "BOOL":
        return isinstance(value, bool)
    if datatype in _INTEGER_DATATYPES:
        return type(value) is int
    return _is_number(value)


def _check_leaves(value: Any, place: str, *, depth: int) -> None:
    if depth > DEPTH_LIMIT:
        raise _MalformedError(f"the answer is nested more than {DEPTH_LIMIT} deep")
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        _check_leaves(child, _at(place, key), depth=depth + 1)
    leaf_is_fine = isinstance(value, dict | list | str | bool | None) or _is_number(value)
    if not leaf_is_fine:
        raise _MalformedError(f"{place} is {_say(value)}, which is no JSON number")


def _pairs(contract: Contract, old: dict[str, Any], new: dict[str, Any]) -> Iterator[_Pair]:
    if contract.wire is Wire.V1:
        yield from _walk(old, new, "")
        return
    if old["model_name"] and new["model_name"] and old["model_name"] != new["model_name"]:
        raise _MismatchError(f"the model is called {_say(new['model_name'])}, not {_say(old['model_name'])}")
    _same_keys(old["outputs"], new["outputs"], "outputs")
    for name, before in old["outputs"].items():
        yield from _tensor_pairs(contract.same_answer.kind, name, before, new["outputs"][name])


def _tensor_pairs(kind: AnswerKind, name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[_Pair]:
    for part in ("datatype", "shape"):
        if old[part] != new[part]:
            raise _MismatchError(f"output {name} has the {part} {new[part]}, not {old[part]}")
    # Beside probabilities an integer output is a class: a relative tolerance must not blur it.
    is_class = old["datatype"] in _INTEGER_DATATYPES and kind is AnswerKind.PROBABILITIES
    exact = is_class or old["datatype"] in _EXACT_DATATYPES
    for index, (before, after) in enumerate(zip(old["data"], new["data"], strict=True)):
        yield _Pair(f"{name}[{index}]", before, after, exact=exact)


def _walk(old: Any, new: Any, place: str) -> Iterator[_Pair]:
    if isinstance(old, dict) and isinstance(new, dict):
        _same_keys(old, new, place or "the answer")
        for key, before in old.items():
            yield from _walk(before, new[key], _at(place, key))
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            raise _MismatchError(f"{place} has {len(new)} entries, not {len(old)}")
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _walk(before, after, _at(place, index))
    elif isinstance(old, dict | list) or isinstance(new, dict | list):
        raise _MismatchError(f"{place} is {_kind(new)}, not {_kind(old)}")
    else:
        yield _Pair(place, old, new)


def _same_keys(old: dict[str, Any], new: dict[str, Any], place: str) -> None:
    if old.keys() != new.keys():
        raise _MismatchError(f"{place}: found {_names(new)}, not {_names(old)}")


def _verdict(same: SameAnswer, pairs: list[_Pair]) -> Difference:
    differing = [pair for pair in pairs if not _same(same, pair)]
    distance = _distance(same, pairs, len(differing))
    if not differing:
        return Difference(differs=False, distance=distance, what=f"All {len(pairs)} values are the same.")
    first = max(differing, key=_gap)
    sentence = f"{first.place}: {_say(first.old)} became {_say(first.new)}"
    return Difference(
        differs=True, distance=distance, what=f"{sentence} ({len(differing)} of {len(pairs)} differ)."
    )


def _same(same: SameAnswer, pair: _Pair) -> bool:
    """Labels and text are equal or not; numbers as numpy.isclose(new, old, equal_nan=True) defines it."""
    old, new = pair.old, pair.new
    if not (_is_number(old) and _is_number(new)):
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
    """Absolute difference of two numbers; infinite where one cannot be given."""
    old, new = pair.old, pair.new
    if not (_is_number(old) and _is_number(new)):
        return 0.0 if type(old) is type(new) and old == new else math.inf
    if old == new or (math.isnan(old) and math.isnan(new)):
        return 0.0
    gap = abs(float(new) - float(old))
    return math.inf if math.isnan(gap) else gap


def _is_number(value: Any) -> bool:
    """A JSON number that a double can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        float(value)
    except OverflowError:
        return False
    return True


def _at(place: str, key: str | int) -> str:
    if isinstance(key, int):
        return f"{place}[{key}]"
    return f"{place}.{key}" if place else key


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def _names(named: dict[str, Any]) -> str:
    return _cut(", ".join(sorted(named)) or "nothing")


def _say(value: Any) -> str:
    return _cut(repr(value))


def _cut(text: str) -> str:
    longest = 80
    return text if len(text) <= longest else f"{text[:longest]}..."
