"""Files that are there whole or not at all; a full disk is one clear error."""

import errno
import os
from pathlib import Path

from turnout.domain.errors import RefusedError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def write(file: Path, text: str) -> None:
    """Write a file by renaming a staged one over it.

    Raises:
        RefusedError: There is no room left; the file is as it was.
    """
    staged = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        staged.write_text(text)
        staged.replace(file)
    except OSError as error:
        staged.unlink(missing_ok=True)
        if is_full(error):
            raise full(file) from error
        raise


def is_full(error: OSError) -> bool:
    """Whether an error says that there is no room left."""
    return error.errno in _FULL


def full(path: Path) -> RefusedError:
    """The error of a full state directory."""
    return RefusedError(
        f"state directory of {path}",
        observed="no room left on the device",
        limit="room for a few hundred MB of logs, models and records",
        remedy="Free some room there, or choose another directory with --state.",
    )
