"""The Go that builds the control plane: the installed one if it is recent enough, else a locked one."""

import os
import re
import shutil
import subprocess

from turnout.domain.errors import InvalidInputError
from turnout.fabric import environments
from turnout.fabric.environments import Progress

VARIABLE = "TURNOUT_GO"
"""Names the Go to use."""
LEAST = (1, 26)
"""What Kubernetes 1.36 is built with."""
LOCKED = "go"
"""The locked environment that carries a Go."""

_VERSION = re.compile(r"go(\d+)\.(\d+)")


def go(progress: Progress | None = None, *, env: dict[str, str] | None = None) -> str:
    """Find a Go, or install the locked one.

    Args:
        progress: Gets a line of text now and then.
        env: Variables set for the installer on top of the inherited ones.

    Raises:
        InvalidInputError: $TURNOUT_GO names none that is recent enough.
        NotFoundError: There is none, and no uv to install the locked one with.
        TemporaryError: The locked one could not be installed.
    """
    if named := os.environ.get(VARIABLE):
        if _recent(named):
            return named
        raise InvalidInputError(
            f"${VARIABLE}", observed=f"{named} is no Go of version {_text(LEAST)} or later",
            limit="a recent Go", remedy="Correct it, or unset it: a locked Go is then installed.",
        )  # fmt: skip
    found = shutil.which("go")
    if found and _recent(found):
        return found
    return str(environments.ensure(LOCKED, progress, env=env) / "bin" / "go")


def version(program: str) -> str | None:
    """What a Go says it is, such as `go1.26.6`; None where it is none."""
    try:
        said = subprocess.run(
            [program, "env", "GOVERSION"], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip()


def _recent(program: str) -> bool:
    said = _VERSION.match(version(program) or "")
    return said is not None and (int(said[1]), int(said[2])) >= LEAST


def _text(numbers: tuple[int, int]) -> str:
    return ".".join(map(str, numbers))
