"""The control plane's one binary: built from the Go module beside this file, once, into the user's cache."""

import fcntl
import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from turnout.domain.errors import TemporaryError
from turnout.fabric.environments import Progress
from turnout.lab.cluster import toolchain

SOURCES = Path(__file__).parent / "controlplane"
NAME = "control-plane"

_KUBERNETES = re.compile(r"^\s+k8s\.io/kubernetes (v(\d+)\.(\d+)\.\d+)$", re.MULTILINE)
_TAIL_LINES = 8


def ensure(progress: Progress | None = None, *, env: dict[str, str] | None = None) -> Path:
    """Build the binary unless it is there. Callers at the same time wait for the one that builds.

    Args:
        progress: Gets a line of text now and then.
        env: Variables set for compiler and installer on top of the inherited ones.

    Returns:
        The binary.

    Raises:
        TemporaryError: It could not be built; the message ends with the compiler's last lines.
        TurnoutError: There is no Go, and none could be installed.
    """
    say = progress or (lambda _: None)
    go = toolchain.go(progress, env=env)
    binary = cache() / f"{NAME}-{_key(go)}" / NAME
    if binary.is_file():
        return binary
    with _locked(binary.parent) as lock:
        if not binary.is_file():
            say("building the control plane: minutes the first time, seconds from then on")
            _build(go, binary, lock, {**os.environ, **(env or {})})
            say("built the control plane")
    return binary


def cache() -> Path:
    """Where what was built or fetched is kept; it may be emptied at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "turnout" / "cluster"


def kubernetes() -> re.Match[str]:
    """The version of Kubernetes that go.mod names: whole, major, minor."""
    found = _KUBERNETES.search((SOURCES / "go.mod").read_text())
    if found is None:
        raise AssertionError("go.mod names no version of k8s.io/kubernetes")
    return found


def _key(go: str) -> str:
    """Digest of all that the binary is made from."""
    made_from = hashlib.sha256((toolchain.version(go) or "").encode())
    for file in sorted(SOURCES.iterdir()):
        made_from.update(file.name.encode() + b"\0" + file.read_bytes())
    return made_from.hexdigest()[:12]


def _build(go: str, binary: Path, lock: int, env: dict[str, str]) -> None:
    version, major, minor = kubernetes().groups()
    package = "k8s.io/component-base/version"
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    flags = "-s -w " + " ".join(f"-X {package}.{name}={value}" for name, value in stamps.items())
    staged = binary.with_name(f".{binary.name}.new")
    built = subprocess.run(
        [go, "build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", flags, "-o", staged, "."],
        cwd=SOURCES, env={**env, "CGO_ENABLED": "0"}, check=False, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, errors="replace",
        pass_fds=(lock,),  # a compiler whose caller was killed keeps others out until it has ended
    )  # fmt: skip
    if built.returncode != 0:
        raise TemporaryError(
            "the control plane",
            observed=f"go build ended with status {built.returncode}: "
            + " | ".join(built.stderr.strip().splitlines()[-_TAIL_LINES:]),
            limit="a build of the pinned modules",
            remedy=f"Check the network (modules are fetched) and the room in {cache()}, then run it again.",
        )
    staged.replace(binary)


@contextmanager
def _locked(directory: Path) -> Iterator[int]:
    directory.mkdir(parents=True, exist_ok=True)
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)
