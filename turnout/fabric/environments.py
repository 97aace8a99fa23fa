"""Locked environments: one for each runtime, as in production each has a container of its own.

`locks/NAME.txt` pins and hashes everything; `ensure` builds the environment when it is first needed, into
the user's cache, where every lab and every checkout with the same lock shares it. Called by
`turnout.fabric.processes` and by whatever opens a legacy model file (only ever in that model's environment).
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from turnout.domain.errors import NotFoundError, TemporaryError
from turnout.fabric.exclusive import locked

CORE = "core"
"""The running interpreter's own environment."""

COMPLETE = ".turnout-complete"
"""Marker that is written last; an environment without it is half built, and is built again."""

Progress = Callable[[str], None]


def project_root() -> Path:
    """Where the project lies: $TURNOUT_ROOT, or the checkout that this file is part of."""
    return Path(os.environ.get("TURNOUT_ROOT") or Path(__file__).parents[2]).resolve()


def cache() -> Path:
    """Where what is made once, or fetched, is kept for all labs of a user; it may be emptied at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "turnout"


def ensure(name: str, progress: Progress | None = None, *, env: Mapping[str, str] | None = None) -> Path:
    """Build an environment unless it is there, and say where it is.

    Safe for callers at the same time: they wait for the one that builds.

    Args:
        name: A file in locks/ without `.txt`, or `core`.
        progress: Gets a line of text now and then.
        env: Variables set for the installer on top of the inherited ones.

    Returns:
        The environment's directory, with `bin/python` in it.

    Raises:
        NotFoundError: There is no such lock, or no uv to build it with.
        TemporaryError: The installer failed; the message ends with its last lines.
    """
    if (there := installed(name)) is not None:
        return there
    say = progress or (lambda _: None)
    directory = _directory(name)
    file = directory.with_name(f"{directory.name}.lock")
    with locked(file, waiting=lambda: say(f"{name}: another process installs it, waiting")) as lock:
        if installed(name) is None:
            _build(name, directory, say, lock, {**os.environ, **(env or {})})
    return directory


def installed(name: str) -> Path | None:
    """The environment's directory where it is complete, else None.

    Raises:
        NotFoundError: There is no such lock.
    """
    if name == CORE:
        return Path(sys.prefix)
    directory = _directory(name)
    return directory if (directory / COMPLETE).is_file() else None


def names() -> list[str]:
    """The environments that there are locks for."""
    return sorted(file.stem for file in (project_root() / "locks").glob("*.txt"))


def _lock_file(name: str) -> Path:
    file = project_root() / "locks" / f"{name}.txt"
    if not file.is_file():
        raise NotFoundError(
            f"environment {name}",
            observed=f"no {file}",
            limit=f"one of {', '.join(names()) or 'the locks (none found)'}",
            remedy="Set TURNOUT_ROOT to the checkout that holds locks/.",
        )
    return file


def _directory(name: str) -> Path:
    pinned = hashlib.sha256(_lock_file(name).read_bytes() + platform.python_version().encode()).hexdigest()[
        :12
    ]
    return cache() / "environments" / f"{name}-{pinned}"


def _build(name: str, directory: Path, say: Progress, lock: int, env: dict[str, str]) -> None:
    uv = find_uv()
    lock_file = _lock_file(name)
    env.pop("VIRTUAL_ENV", None)
    if directory.exists():  # half built: no marker
        shutil.rmtree(directory)
    python = str(directory / "bin" / "python")
    say(f"{name}: installing {_pins(lock_file)} packages")
    _run(name, [uv, "venv", "--quiet", "--python", sys.executable, str(directory)], say, lock, env)
    _run(name, [uv, "pip", "sync", "--require-hashes", "--python", python, str(lock_file)], say, lock, env)
    (directory / COMPLETE).write_text(f"{lock_file.name}\n")
    say(f"{name}: installed")


def _run(name: str, command: list[str], say: Progress, lock: int, env: dict[str, str]) -> None:
    tail: deque[str] = deque(maxlen=15)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=env,
        pass_fds=(lock,),  # an installer whose caller was killed keeps others out until it has ended
    ) as process:
        for line in process.stdout or ():
            if text := line.strip():
                tail.append(text)
                if text.startswith(("Downloading", "Resolved", "Prepared", "Installed")):
                    say(f"{name}: {text}")
    if process.returncode != 0:
        raise TemporaryError(
            f"environment {name}",
            observed=f"{Path(command[0]).name} ended with status {process.returncode}: {' | '.join(tail)}",
            limit="an installation of the lock as it is",
            remedy="Check the network and the room in the cache directory, then run it again.",
        )


def find_uv() -> str:
    """The installer: $TURNOUT_UV, `.uv/bin/uv` in the project, or uv on the PATH.

    Raises:
        NotFoundError: There is none.
    """
    named = os.environ.get("TURNOUT_UV")
    beside = project_root() / ".uv" / "bin" / "uv"
    found = named or (str(beside) if beside.is_file() else shutil.which("uv"))
    if found is None or shutil.which(found) is None:
        raise NotFoundError(
            "uv",
            observed=f"{found} cannot be run" if found else "not found",
            limit=f"$TURNOUT_UV, {beside} or uv on the PATH",
            remedy="Run: make setup",
        )
    return found


def _pins(lock_file: Path) -> int:
    return sum(line[:1] not in {"", " ", "#", "-"} for line in lock_file.read_text().splitlines())
