"""Raising a candidate's weight, and letting it stand; the only place in the flows that does."""

import time

from tasks.gate import approved
from turnout.domain.approval import Gate
from turnout.domain.attempt import Outcome
from turnout.domain.errors import RefusedError
from turnout.domain.rollout import change, require_permitted
from turnout.domain.route import Route
from turnout.wiring.migrating import current

_TRIES = 5
"""Another writer (a pause, a renewed lease) may change the route between our reading and our writing."""


def raise_to(model: str, attempt: str, weight: float, *, gate: Gate, lease_seconds: float | None) -> Route:
    """Bring a candidate to a weight; does nothing more when it is there. Never lowers it.

    Args:
        model: The model.
        attempt: The live attempt.
        weight: Candidate's weight.
        gate: The gate whose approval it takes; checked here, whoever calls.
        lease_seconds: How long the weight may stand without a new word; None: as long as it is guarded.

    Raises:
        RefusedError: Nobody approved so much, or the attempt is not the live one.
        TemporaryError: The router does not report the change, or legacy is not ready at its full size.
    """
    require_permitted(current().contract(model).rollout, gate, attempt, weight)
    approved(model, attempt, gate)
    current().legacy_size.pin(model)
    return _change(model, attempt, weight, lease_seconds)


def renew(model: str, attempt: str, lease_seconds: float) -> Route:
    """Let the weight stand for so long from now on."""
    return _change(model, attempt, None, lease_seconds)


def over(model: str, attempt: str) -> bool:
    """Whether an attempt is over: tombstoned by whoever, or ended by a word of the flows."""
    wiring = current()
    end = wiring.attempts.ended(attempt)
    dead = end is not None and end.outcome is not Outcome.CUT_OVER
    return dead or wiring.router.tombstone(model, attempt) is not None


def _change(model: str, attempt: str, weight: float | None, lease_seconds: float | None) -> Route:
    for left in reversed(range(_TRIES)):
        route = current().router.read(model)
        wanted = change(route, attempt, weight, lease_seconds)
        if wanted is None:
            return route
        try:
            return current().router.change(wanted)
        except RefusedError:
            if not left or over(model, attempt):
                raise
            time.sleep(0.1)
    raise AssertionError  # the last try returned or raised
