"""Is a conversion faithful? The golden set's answers held against those of the converted model.

Called by `tasks.package`, before anything is deployed. What serving changes is the shadow test's matter.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from turnout.domain.comparison import compare
from turnout.domain.contract import Contract
from turnout.domain.evidence import Verdict

EXAMPLES = 5
"""Differing examples that are kept for people to look at."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One golden request with legacy's answer and the converted model's, all parsed."""

    request: Any
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Proof:
    """What the golden set says of a conversion.

    Attributes:
        compared: Requests compared.
        differing: Of these, answers that differ by the contract.
        largest_distance: Largest difference seen, in the contract's measure; None where none can be given.
        examples: The first differing ones.
        verdict: Pass when the differing share is within the contract's bound, hold when there is nothing to
            compare, else fail.
        reason: Why, in one line.
    """

    compared: int
    differing: int
    largest_distance: float | None
    examples: tuple[dict[str, Any], ...]
    verdict: Verdict
    reason: str


UNCONVERTED = Proof(
    compared=0,
    differing=0,
    largest_distance=None,
    examples=(),
    verdict=Verdict.PASS,
    reason="served as it is: nothing was converted, and every file is held by its digest",
)
"""Of a model that needs no conversion: the deployment's trial and the shadow test prove its answers."""


def prove(contract: Contract, exchanges: Iterable[Exchange]) -> Proof:
    """Compare every exchange and conclude.

    Args:
        contract: Says what counts as the same, and which share may differ (`bounds.differs`).
        exchanges: The golden set, answered by both.
    """
    found = [(one, compare(contract, one.old, one.new)) for one in exchanges]
    differing = [(one, difference) for one, difference in found if difference.differs]
    distances = [difference.distance for _, difference in found if difference.distance is not None]
    verdict, reason = _conclusion(len(found), len(differing), contract.bounds.differs)
    return Proof(
        compared=len(found),
        differing=len(differing),
        largest_distance=max(distances, default=None),
        examples=tuple(
            {"what": difference.what, "request": one.request, "legacy": one.old, "converted": one.new}
            for one, difference in differing[:EXAMPLES]
        ),
        verdict=verdict,
        reason=reason,
    )


def _conclusion(compared: int, differing: int, bound: float) -> tuple[Verdict, str]:
    if compared == 0:
        return Verdict.HOLD, "no golden request to prove the conversion on"
    if differing > bound * compared:
        seen = f"{differing} of {compared} golden answers differ, at most {bound:.2%} may"
        return Verdict.FAIL, f"{seen}: the conversion is not faithful"
    return Verdict.PASS, f"{compared - differing} of {compared} golden answers are the same"
