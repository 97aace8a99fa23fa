"""KServe's own router of InferenceGraphs, built once from its Go module into the user's cache.

The source is kserve's `cmd/router` as the pinned module holds it, but for the address: there it is port 8080
of a container of its own, here one of many on this machine.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from turnout.domain.errors import TemporaryError
from turnout.fabric import environments
from turnout.fabric.environments import Progress
from turnout.fabric.exclusive import locked
from turnout.lab.cluster import toolchain

ADDRESS = "ROUTER_ADDRESS"
"""Variable that says where the router listens, `HOST:PORT`."""

_HERE = Path(__file__).parent
_MODULE = "github.com/kserve/kserve"
_VERSION = re.compile(rf"{re.escape(_MODULE)} (v\S+)")
_LISTENS = '":" + strconv.Itoa(constants.RouterPort)'
_PINS = ("go.mod", "go.sum")


def ensure(say: Progress) -> Path:
    """Build the router unless it is there. Callers at the same time wait for the one that builds.

    Args:
        say: Gets a line of text now and then.

    Returns:
        The binary.

    Raises:
        TemporaryError: It could not be built; the message ends with the compiler's last lines.
        TurnoutError: There is no Go, and none could be installed.
    """
    binary = _cache() / _key() / "router"
    with locked(binary.parent / "lock") as lock:
        if not binary.is_file():
            say("building KServe's graph router: minutes the first time, seconds from then on")
            with tempfile.TemporaryDirectory(dir=binary.parent) as folder:
                _build(toolchain.go(say), Path(folder), lock).replace(binary)
    return binary


def _cache() -> Path:
    return environments.cache() / "graph-router"


def _key() -> str:
    """Digest of all that the binary is made from."""
    made_from = b"\0".join((_HERE / name).read_bytes() for name in (*_PINS, "__init__.py"))
    return hashlib.sha256(made_from).hexdigest()[:12]


def _build(go: str, folder: Path, lock: int) -> Path:
    """Build in a scratch folder; a compiler whose caller was killed keeps others out until it has ended."""
    for name in _PINS:
        shutil.copyfile(_HERE / name, folder / name)
    for name, text in _sources(go, folder, lock).items():
        (folder / name).write_text(text)
    flags = ["-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", "-s -w"]
    _run(go, ["build", *flags, "."], folder, lock)
    return folder / "router"


def _sources(go: str, folder: Path, lock: int) -> dict[str, str]:
    """The router's files, listening where the environment says."""
    version = _VERSION.search((_HERE / "go.mod").read_text())
    if version is None:
        raise AssertionError(f"go.mod names no version of {_MODULE}")
    told = json.loads(_run(go, ["mod", "download", "-json", f"{_MODULE}@{version[1]}"], folder, lock))
    router = Path(told["Dir"]) / "cmd" / "router"
    found = {file.name: file.read_text() for file in router.glob("*.go") if "_test" not in file.name}
    if _LISTENS not in found["main.go"]:
        raise AssertionError(f"{version[0]} listens in another way")
    return found | {"main.go": found["main.go"].replace(_LISTENS, f'os.Getenv("{ADDRESS}")')}


def _run(go: str, command: list[str], folder: Path, lock: int) -> str:
    done = subprocess.run(
        [go, *command], cwd=folder, env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": ""}, check=False,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", pass_fds=(lock,),
    )  # fmt: skip
    if done.returncode != 0:
        raise TemporaryError(
            "KServe's graph router",
            observed=f"go {command[0]} ended with status {done.returncode}: "
            + " | ".join(done.stderr.strip().splitlines()[-8:]),
            limit="a build of the pinned modules",
            remedy=f"Check the network (modules are fetched) and the room in {_cache()}, then run it again.",
        )
    return done.stdout
