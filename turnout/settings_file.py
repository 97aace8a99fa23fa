"""Which settings file is in force. Apart from `turnout.settings`, which is slow to load on the way back."""

import os
from pathlib import Path

from turnout.domain.errors import NotFoundError

VARIABLE = "TURNOUT_SETTINGS"


def find() -> Path:
    """The settings file in force.

    Raises:
        NotFoundError: There is none.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named)
    for candidate in (Path("turnout.yaml"), Path(".turnout/turnout.yaml")):
        if candidate.is_file():
            return candidate
    raise NotFoundError(
        "settings",
        observed="no settings file",
        limit=f"${VARIABLE}, ./turnout.yaml or ./.turnout/turnout.yaml",
        remedy="Start the lab (turnout lab up), or write a turnout.yaml.",
    )
