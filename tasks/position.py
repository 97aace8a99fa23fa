"""Where an attempt stands, gathered from the router, the record of answers and what it has passed."""

from contextlib import suppress

from tasks.gate import SHOWN, approved
from tasks.weight import over
from turnout.domain.approval import Gate
from turnout.domain.errors import RefusedError
from turnout.domain.rollout import Position, located
from turnout.wiring.migrating import current


def position(model: str, attempt: str) -> Position:
    """Return where an attempt stands now; nothing is kept between two calls but what the parts keep."""
    wiring = current()
    asked = wiring.attempts.asked(attempt)
    return located(
        wiring.router.read(model),
        wiring.contract(model).rollout,
        attempt=attempt,
        approved=frozenset(gate for gate in SHOWN if _is_approved(model, attempt, gate)),
        passed=frozenset(step.weight for step in wiring.attempts.steps(attempt)),
        asking=asked is not None and asked.gate is Gate.EXTEND,
        ended_by=_ended_by(model, attempt),
    )


def _is_approved(model: str, attempt: str, gate: Gate) -> bool:
    with suppress(RefusedError):
        approved(model, attempt, gate)
        return True
    return False


def _ended_by(model: str, attempt: str) -> str | None:
    if not over(model, attempt):
        return None
    stone, end = current().router.tombstone(model, attempt), current().attempts.ended(attempt)
    return stone.by if stone else end.by if end else "unknown"
