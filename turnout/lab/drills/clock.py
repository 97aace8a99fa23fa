"""A wall clock that jumps, for one process of the lab: Debian's libfaketime, preloaded into it alone.

Its monotonic clock goes on, as it does when a machine's clock is set.
"""

import os
import shutil
import subprocess
from pathlib import Path

from turnout.domain.server import ServerSpec
from turnout.fabric import environments
from turnout.fabric.state import State

_PACKAGE = "libfaketime"
_NAME = "libfaketimeMT.so.1"
_PRELOAD = Path(__file__).parent / "preload"


def library(cache: Path) -> Path | None:
    """Find libfaketime, or fetch Debian's package without installing it; None where neither can be had.

    Args:
        cache: Directory that it is unpacked in.
    """
    for folder in (Path("/usr/lib"), cache):
        if found := next(folder.glob(f"**/faketime/{_NAME}"), None):
            return found
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        return None
    cache.mkdir(parents=True, exist_ok=True)
    got = subprocess.run(["apt-get", "download", _PACKAGE], cwd=cache, capture_output=True, check=False)
    for package in cache.glob(f"{_PACKAGE}_*.deb") if got.returncode == 0 else ():
        subprocess.run(["dpkg", "-x", str(package), str(cache)], capture_output=True, check=True)
    return next(cache.glob(f"**/faketime/{_NAME}"), None)


def clocked(spec: ServerSpec, state: State, preloaded: Path) -> ServerSpec:
    """The same server with a clock that `jump` sets."""
    jump(state, spec.name, 0)
    path = [_PRELOAD, *([environments.project_root()] if spec.environment == environments.CORE else [])]
    variables = {
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "LD_PRELOAD": str(preloaded),
        "FAKETIME_TIMESTAMP_FILE": str(_file(state, spec.name)),
        "FAKETIME_CACHE_DURATION": "1",  # seconds after which the file is read again
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    return spec.model_copy(update={"env": {**spec.env, **variables}})


def jump(state: State, server: str, seconds: int) -> None:
    """Set a server's clock to so many seconds from the true time, within two seconds."""
    file = _file(state, server)
    file.parent.mkdir(parents=True, exist_ok=True)
    staged = file.with_suffix(".tmp")
    staged.write_text(f"{seconds:+d}\n")
    staged.replace(file)


def _file(state: State, server: str) -> Path:
    return state.root / "drills" / f"{server}.clock"
