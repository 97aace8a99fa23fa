"""Holding a migration where it is, on somebody's word (`turnout pause`)."""

import time

from tasks.weight import over
from turnout.wiring.migrating import current

_POLL_SECONDS = 2.0


def wait_while_held(model: str, attempt: str) -> None:
    """Return when no hold lies on the attempt, or when it is over."""
    attempts, said = current().attempts, False
    while (hold := attempts.held(attempt)) and not over(model, attempt):
        if not said:
            print(f"{attempt} is held by {hold.by}: {hold.reason}. `turnout resume {model}` lets it go on.")  # noqa: T201 -- Prefect logs what tasks print
            said = True
        time.sleep(_POLL_SECONDS)
