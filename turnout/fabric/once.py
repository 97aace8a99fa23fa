"""Files that are created once, whole or not at all, and never a second time."""

import contextlib
import os
import tempfile
from pathlib import Path

from turnout.fabric import whole


def create(file: Path, text: str) -> bool:
    """Create a file with its whole text; False when it exists already (it is left as it is).

    Raises:
        RefusedError: There is no room left; there is no file.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            _fill(handle, text)
            os.link(name, file)  # unlike a rename, this fails when the name is taken
        finally:
            Path(name).unlink()
    except FileExistsError:
        return False
    except OSError as error:
        if whole.is_full(error):
            raise whole.full(file) from error
        raise
    return True


def _fill(handle: int, text: str) -> None:
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(handle)
        with contextlib.suppress(PermissionError):
            os.fchmod(handle, 0o644)
