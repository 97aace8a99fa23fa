"""The cluster's programs: each built once from the Go module in a folder here, into the user's cache."""

import hashlib
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from turnout.domain.errors import TemporaryError
from turnout.fabric import environments
from turnout.fabric.environments import Progress
from turnout.fabric.exclusive import locked
from turnout.lab.cluster import toolchain


@dataclass(frozen=True)
class Program:
    """A program and the Go module that it is built in.

    Attributes:
        name: Name of the binary, and of the module's folder.
        package: What is built: a package of the module itself, or of one that it requires.
    """

    name: str
    package: str = "."

    @property
    def sources(self) -> Path:
        """The module: go.mod, go.sum, and Go files where it has any."""
        return Path(__file__).parent / self.name


CONTROL_PLANE = Program("control-plane")
"""Kubernetes itself, the node's parts among it, and etcd and kwok."""
COREDNS = Program("coredns", "github.com/coredns/coredns")
PAUSE = Program("pause")
"""What holds a pod's namespaces."""
ENVOY_GATEWAY = Program("envoy-gateway", "github.com/envoyproxy/gateway/cmd/envoy-gateway")
KSERVE = Program("kserve", "github.com/kserve/kserve/cmd/manager")
KUBERAY = Program("kuberay", "github.com/ray-project/kuberay/ray-operator")
ALL = (CONTROL_PLANE, COREDNS, PAUSE, ENVOY_GATEWAY, KSERVE, KUBERAY)
"""What is built ahead of the tests."""

ARGO_ROLLOUTS = Program("argo-rollouts", "github.com/argoproj/argo-rollouts/cmd/rollouts-controller")
GATEWAY_PLUGIN = Program(
    "gatewayapi-plugin", "github.com/argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi"
)
"""What Argo Rollouts moves an HTTPRoute's weights by; as Argo Rollouts itself, for a benchmark alone."""

_KUBERNETES = re.compile(r"^\s+k8s\.io/kubernetes (v(\d+)\.(\d+)\.\d+)$", re.MULTILINE)
_TAIL_LINES = 8


def ensure(program: Program, progress: Progress | None = None, *, env: dict[str, str] | None = None) -> Path:
    """Build a program unless it is there. Callers at the same time wait for the one that builds.

    Args:
        program: Which.
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
    binary = cache() / f"{program.name}-{_key(program, go)}" / program.name
    if binary.is_file():
        return binary
    with locked(binary.parent / "lock") as lock:
        if not binary.is_file():
            say(f"building {program.name}: minutes the first time, seconds from then on")
            _build(go, program, binary, lock, {**os.environ, **(env or {})})
            say(f"built {program.name}")
    return binary


def cache() -> Path:
    """Where what was built or fetched is kept; it may be emptied at any time."""
    return environments.cache() / "cluster"


def kubernetes() -> re.Match[str]:
    """The version of Kubernetes that the control plane's go.mod names: whole, major, minor."""
    found = _KUBERNETES.search((CONTROL_PLANE.sources / "go.mod").read_text())
    if found is None:
        raise AssertionError("go.mod names no version of k8s.io/kubernetes")
    return found


def _key(program: Program, go: str) -> str:
    """Digest of all that a binary is made from."""
    made_from = hashlib.sha256((toolchain.version(go) or "").encode())
    for file in sorted(program.sources.iterdir()):
        made_from.update(file.name.encode() + b"\0" + file.read_bytes())
    return made_from.hexdigest()[:12]


def _build(go: str, program: Program, binary: Path, lock: int, env: dict[str, str]) -> None:
    staged = binary.with_name(f".{binary.name}.new")
    flags = ("-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", _linked(program))
    built = subprocess.run(
        [go, "build", *flags, "-o", staged, program.package],
        cwd=program.sources, env={**env, "CGO_ENABLED": "0"}, check=False, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, errors="replace",
        pass_fds=(lock,),  # a compiler whose caller was killed keeps others out until it has ended
    )  # fmt: skip
    if built.returncode != 0:
        raise TemporaryError(
            program.name,
            observed=f"go build ended with status {built.returncode}: "
            + " | ".join(built.stderr.strip().splitlines()[-_TAIL_LINES:]),
            limit="a build of the pinned modules",
            remedy=f"Check the network (modules are fetched) and the room in {cache()}, then run it again.",
        )
    staged.replace(binary)


def _linked(program: Program) -> str:
    """Flags for the linker: no symbols, and in Kubernetes the version that it says it is."""
    if program is not CONTROL_PLANE:
        return "-s -w"
    version, major, minor = kubernetes().groups()
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    package = "k8s.io/component-base/version"
    return "-s -w " + " ".join(f"-X {package}.{name}={value}" for name, value in stamps.items())
