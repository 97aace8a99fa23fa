"""What a router refuses, in words: the same for every router. Loads nothing."""

from collections.abc import Iterable

from turnout.domain.errors import NotFoundError, RefusedError


def require_live(model: str, live: str | None, attempt: str | None) -> None:
    """Refuse what is done in the name of anything but the live attempt.

    Raises:
        RefusedError: Another attempt is live, or none.
    """
    if live != attempt:
        raise RefusedError(
            f"route of {model}",
            observed=f"live attempt: {live or 'none'}",
            limit=f"live attempt: {attempt or 'none'}",
            remedy="An attempt that was rolled back is over; go again with a new one.",
        )


def tombstoned(attempt: str, reason: str | None) -> RefusedError:
    """The error of whoever acts in the name of an attempt that is over."""
    return RefusedError(
        f"attempt {attempt}",
        observed=f"rolled back{': ' + reason if reason else ''}",
        limit="an attempt without a tombstone",
        remedy="Start a new attempt; this one is over for good.",
    )


def occupied(model: str, live: str, wanted: str) -> RefusedError:
    """The error of an attempt that finds another one live."""
    return RefusedError(
        f"route of {model}",
        observed=f"{live} is live",
        limit=f"no live attempt when {wanted} opens",
        remedy=f"Roll {live} back first.",
    )


def unknown(model: str, known: Iterable[str]) -> NotFoundError:
    """The error of a name that no registered model has."""
    return NotFoundError(
        f"model {model}",
        observed="the router does not know it",
        limit=f"one of: {', '.join(sorted(known)) or 'none is registered'}",
        remedy="Correct the name, or register the model: `turnout route register`; in the lab, `lab up`.",
    )
