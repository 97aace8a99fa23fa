"""Is an answer what its protocol asks for? Its compared parts, or what is wrong with its form.

Called by `turnout.domain.comparison`. What names the one exchange (`id`, `model_version`, `parameters`) is no
compared part.
"""

import math
from collections.abc import Iterator
from typing import Any, TypeGuard

DEPTH_LIMIT = 32
"""Deepest nesting of an answer that is followed; real tensors have far fewer dimensions."""

INTEGER_DATATYPES = frozenset({f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)})
EXACT_DATATYPES = frozenset({"BOOL", "BYTES"})

_NOT_COMPARED = frozenset({"id", "model_version", "parameters"})
_FLOAT_DATATYPES = frozenset({"FP16", "BF16", "FP32", "FP64"})
_DATATYPES = EXACT_DATATYPES | _FLOAT_DATATYPES | INTEGER_DATATYPES

Answer = Any
"""A parsed JSON body, as it came: it may be malformed."""


class MalformedError(Exception):
    """An answer does not have the form that its protocol asks for."""


def v1(answer: Answer) -> dict[str, Any]:
    """The compared parts of a V1 answer."""
    if not isinstance(answer, dict):
        raise MalformedError(f"the answer is {kind(answer)}, not an object")
    if not isinstance(answer.get("predictions"), list):
        raise MalformedError("the answer has no list of predictions")
    parts = {key: value for key, value in answer.items() if key not in _NOT_COMPARED}
    _check_leaves(parts, "", depth=0)
    return parts


def v2(answer: Answer) -> dict[str, Any]:
    """The compared parts of a V2 answer: outputs by name, each with its data flat."""
    if not isinstance(answer, dict):
        raise MalformedError(f"the answer is {kind(answer)}, not an object")
    outputs = answer.get("outputs")
    if not isinstance(outputs, list) or not outputs:
        raise MalformedError("the answer has no outputs")
    named = dict(_output(output) for output in outputs)
    if len(named) != len(outputs):
        raise MalformedError("two outputs have the same name")
    return {"model_name": answer.get("model_name"), "outputs": named}


def openai(answer: Answer) -> dict[str, Any]:
    """The compared parts of OpenAI's /v1/embeddings: the vectors in the order of their inputs."""
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list) or not all(isinstance(one, dict) and "embedding" in one for one in data):
        raise MalformedError("the answer has no embeddings")
    parts = {
        "data": [one["embedding"] for one in sorted(data, key=lambda one: str(one.get("index")).zfill(9))]
    }
    _check_leaves(parts, "", depth=0)
    return parts


def _output(output: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(output, dict) or not isinstance(output.get("name"), str):
        raise MalformedError("an output has no name")
    name, datatype, shape = output["name"], output.get("datatype"), output.get("shape")
    if not isinstance(datatype, str) or datatype not in _DATATYPES:
        raise MalformedError(f"output {name} has the datatype {say(datatype)}")
    if not _is_shape(shape):
        raise MalformedError(f"output {name} has the shape {say(shape)}")
    data = list(_flat(output.get("data"), name, depth=0))
    if len(data) != math.prod(shape):
        raise MalformedError(f"output {name} has {len(data)} values for the shape {shape}")
    if wrong := [value for value in data if not _fits(value, datatype)]:
        raise MalformedError(f"output {name} holds {say(wrong[0])}, which is no {datatype}")
    return name, {"datatype": datatype, "shape": shape, "data": data}


def _is_shape(shape: Any) -> TypeGuard[list[int]]:
    return isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)


def _flat(data: Any, name: str, *, depth: int) -> Iterator[Any]:
    """V2 data in row-major order: servers may send it flat or nested."""
    if not isinstance(data, list) or depth > DEPTH_LIMIT:
        raise MalformedError(f"output {name} has no list of data")
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
    if datatype in INTEGER_DATATYPES:
        return type(value) is int
    return is_number(value)


def _check_leaves(value: Any, place: str, *, depth: int) -> None:
    if depth > DEPTH_LIMIT:
        raise MalformedError(f"the answer is nested more than {DEPTH_LIMIT} deep")
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        _check_leaves(child, at(place, key), depth=depth + 1)
    leaf_is_fine = isinstance(value, dict | list | str | bool | None) or is_number(value)
    if not leaf_is_fine:
        raise MalformedError(f"{place} is {say(value)}, which is no JSON number")


def chosen(answer: Answer, fields: tuple[str, ...], ignored: tuple[str, ...]) -> Any:
    """The compared parts of an answer of any form: the chosen fields, or all, without the ignored ones.

    Args:
        answer: The answer: an object or a list.
        fields: Paths of keys with dots between (`result.label`); lists on the way are passed through.
        ignored: Paths of the same kind.

    Raises:
        MalformedError: Neither an object nor a list, or a chosen field is missing.
    """
    if not isinstance(answer, dict | list):
        raise MalformedError(f"the answer is {kind(answer)}, not an object or a list")
    _check_leaves(answer, "", depth=0)
    wanted, unwanted = ([tuple(path.split(".")) for path in paths] for paths in (fields, ignored))
    for path in wanted:
        if not _holds(answer, path):
            raise MalformedError(f"the answer has no field {'.'.join(path)}")
    return _only(answer, (), wanted, unwanted)


def _holds(value: Any, path: tuple[str, ...]) -> bool:
    if isinstance(value, list) and path:
        return any(_holds(one, path) for one in value)
    if path and isinstance(value, dict):
        return path[0] in value and _holds(value[path[0]], path[1:])
    return not path


_Path = tuple[str, ...]


def _only(value: Any, place: _Path, wanted: list[_Path], unwanted: list[_Path]) -> Any:
    """A value without the parts that are not compared."""
    if isinstance(value, list):
        return [_only(one, place, wanted, unwanted) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {key: one for key, one in value.items() if _is_kept((*place, key), wanted, unwanted)}
    return {key: _only(one, (*place, key), wanted, unwanted) for key, one in kept.items()}


def _is_kept(place: _Path, wanted: list[_Path], unwanted: list[_Path]) -> bool:
    """Whether a part lies on the way to a wanted field, or inside one."""
    meets = any(all(a == b for a, b in zip(place, path, strict=False)) for path in wanted)
    return (meets or not wanted) and not any(place[: len(path)] == path for path in unwanted)


def is_number(value: Any) -> bool:
    """A JSON number that a double can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        float(value)
    except OverflowError:
        return False
    return True


def at(place: str, key: str | int) -> str:
    """The place of a part, as a reader writes it."""
    if isinstance(key, int):
        return f"{place}[{key}]"
    return f"{place}.{key}" if place else key


def kind(value: Any) -> str:
    """What a JSON value is, in words."""
    words = {dict: "an object", list: "a list", str: "text", bool: "a truth value", type(None): "null"}
    return words.get(type(value), "a number")


def names(named: dict[str, Any]) -> str:
    """The names of an object's parts, for a sentence."""
    return _cut(", ".join(sorted(named)) or "nothing")


def say(value: Any) -> str:
    """A value, for a sentence."""
    return _cut(repr(value))


def _cut(text: str) -> str:
    longest = 80
    return text if len(text) <= longest else f"{text[:longest]}..."
