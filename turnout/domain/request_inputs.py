"""What a model is asked, input by input, whatever protocol its clients speak.

For `turnout.domain.evidence_tables`: the ranges that a golden set covers are those of the model's inputs.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

MOST_INPUTS = 64
"""Inputs told apart; an image's pixels or a long vector's numbers are taken together as one."""

Leaf = str | int | float | bool | None


def inputs_of(request: Any) -> dict[str, list[Leaf]]:
    """The values of each input in one parsed request.

    Returns:
        Values by the input's name: `instances.3` (V1), `NAME.3` (V2), else the way to it, lists left out.
    """
    found: defaultdict[str, list[Leaf]] = defaultdict(list)
    for name, leaf in _named(request):
        found[name].append(leaf)
    return dict(found)


def nulls_in(part: Any) -> int:
    """How many values of a parsed body are null."""
    return sum(leaf is None for _, leaf in _paths(part, ""))


def _named(request: Any) -> Iterator[tuple[str, Leaf]]:
    if isinstance(request, dict) and isinstance(request.get("instances"), list):
        for instance in request["instances"]:
            yield from _together("instances", list(_paths(instance, "instances", indexed=True)))
    elif isinstance(request, dict) and isinstance(request.get("inputs"), list):
        for tensor in request["inputs"]:
            yield from _tensor(tensor)
    else:
        yield from _paths(request, "")


def _tensor(tensor: Any) -> Iterator[tuple[str, Leaf]]:
    """A V2 tensor's values, column by column; the batch comes first."""
    if not isinstance(tensor, dict):
        return
    name, leaves = str(tensor.get("name", "input")), [leaf for _, leaf in _paths(tensor.get("data"), "")]
    shape = tensor.get("shape")
    whole = isinstance(shape, list) and all(isinstance(size, int) for size in shape)
    width = math.prod(shape[1:]) if whole and shape else 1
    if not 1 < width <= MOST_INPUTS or len(leaves) % width:
        yield from ((name, leaf) for leaf in leaves)
    else:
        yield from ((f"{name}.{number % width}", leaf) for number, leaf in enumerate(leaves))


def _together(name: str, found: list[tuple[str, Leaf]]) -> list[tuple[str, Leaf]]:
    return found if len(found) <= MOST_INPUTS else [(name, leaf) for _, leaf in found]


def _paths(part: Any, way: str, *, indexed: bool = False) -> Iterator[tuple[str, Leaf]]:
    if isinstance(part, dict):
        for key, inner in part.items():
            yield from _paths(inner, f"{way}.{key}".lstrip("."), indexed=indexed)
    elif isinstance(part, list):
        for number, inner in enumerate(part):
            yield from _paths(inner, f"{way}.{number}" if indexed else way, indexed=indexed)
    else:
        yield way or "request", part
