"""What `pause`, `resume`, `abandon` and `status` share: state directory, living attempt, caller's name."""

import getpass
import os
from dataclasses import dataclass

from turnout import settings
from turnout.domain.attempt import Attempt
from turnout.domain.errors import NotFoundError
from turnout.domain.route import Router
from turnout.fabric.attempts import AttemptFiles
from turnout.fabric.state import State
from turnout.settings import Settings
from turnout.wiring import guarding


@dataclass(frozen=True)
class Moving:
    """What a command about running migrations works on; it needs neither Prefect nor MLflow."""

    settings: Settings
    state: State
    attempts: AttemptFiles
    router: Router

    def living(self, model: str) -> Attempt:
        """Return the model's attempt that is not over.

        Raises:
            NotFoundError: None is.
        """
        attempt = self.attempts.current(model)
        if attempt is not None and self.router.tombstone(model, attempt.id) is None:
            return attempt
        raise NotFoundError(
            model, observed="no migration under way", limit="a living attempt", remedy="See `turnout status`."
        )


def moving() -> Moving:
    """Read the settings in force."""
    known = settings.load()
    state = State(known.state)
    return Moving(settings=known, state=state, attempts=AttemptFiles(state), router=guarding.router(known))


def caller() -> str:
    """The user of this system."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"user {os.getuid()}"
