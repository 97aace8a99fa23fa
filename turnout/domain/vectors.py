"""Two embeddings held together: their direction by the cosine, their length by its ratio.

The cosine alone does not see a model that has stopped to normalise its vectors, or that has begun to: every
client that ranks by the dot product would. Called by `turnout.domain.comparison`.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from turnout.domain.answers import is_number
from turnout.domain.contract import SameAnswer

Vector = Sequence[float]


def are_two(old: Any, new: Any) -> bool:
    """Whether both are vectors of as many dimensions; what is not is compared as any other part."""
    if not (isinstance(old, list) and isinstance(new, list) and len(old) == len(new) > 0):
        return False
    return all(is_number(one) for one in (*old, *new))


def are_the_same(old: Vector, new: Vector, same: SameAnswer) -> bool:
    """Whether direction and length are within the contract's bounds."""
    if _equal(old, new):
        return True
    found = cosine(old, new)
    if not math.isfinite(found):
        return False
    return found >= same.minimum_cosine and _stretch(old, new) <= same.length_tolerance


def gap(old: Vector, new: Vector) -> float:
    """The larger of one minus the cosine and the relative difference in length; infinite where none is."""
    if _equal(old, new):
        return 0.0
    found = max(1.0 - cosine(old, new), _stretch(old, new))
    return found if math.isfinite(found) else math.inf


def change(old: Vector, new: Vector) -> str:
    """What became of a vector, in words."""
    lengths = f"length {_length(old):.4g} became {_length(new):.4g}"
    return f"cosine {cosine(old, new):.5f} to the old vector, {lengths}"


def cosine(old: Vector, new: Vector) -> float:
    """Cosine of the angle between two vectors; NaN where one is zero or holds no finite numbers."""
    units = [_unit(one) for one in (old, new)]
    return float(np.clip(units[0] @ units[1], -1.0, 1.0))


def _unit(vector: Vector) -> Any:
    """The vector at length 1; scaled first, so that squares of large numbers do not overflow."""
    with np.errstate(all="ignore"):
        values = np.asarray(vector, dtype=np.float64)
        scaled = values / np.abs(values).max()
        return scaled / np.linalg.norm(scaled)


def _length(vector: Vector) -> float:
    return math.hypot(*(float(one) for one in vector))


def _stretch(old: Vector, new: Vector) -> float:
    """Difference of the lengths as a share of the old one."""
    before, after = _length(old), _length(new)
    return abs(after - before) / before if before > 0 else math.inf


def _equal(old: Vector, new: Vector) -> bool:
    return all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(old, new, strict=True))
