"""What a node needs of the system: Debian's container runtime, network plugins and packet filter."""

import os
import shutil
import subprocess
from pathlib import Path

from turnout.domain.errors import NotFoundError
from turnout.fabric.environments import Progress

PLUGINS = Path("/usr/lib/cni")
"""Where Debian has the network plugins."""

_FILES = {
    "containerd": "containerd",
    "runc": "runc",
    "containernetworking-plugins": str(PLUGINS / "ptp"),
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ipset": "ipset",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
}
"""Package, and a program that it brings."""


def ensure(say: Progress) -> None:
    """Install what is missing.

    Raises:
        NotFoundError: It could not be installed.
    """
    if not (missing := _missing()):
        return
    say(f"installing {' '.join(missing)}")
    # A service that a package starts would be outside of the cluster, and would outlive it.
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    if apt := shutil.which("apt-get"):
        _run(quiet, apt, "update", "--quiet=2")
        _run(quiet, apt, "install", "--yes", "--quiet=2", "--no-install-recommends", *missing)
    if missing := _missing():
        raise NotFoundError(
            "the cluster's node", observed=f"not installed: {', '.join(missing)}",
            limit="container runtime, network plugins, packet filter and image builder of Debian 12",
            remedy=f"Run: apt-get install {' '.join(missing)}",
        )  # fmt: skip


def _missing() -> list[str]:
    return [package for package, program in _FILES.items() if shutil.which(program) is None]


def _run(env: dict[str, str], *command: str) -> None:
    subprocess.run(
        command, env={**os.environ, **env}, check=False, stdin=subprocess.DEVNULL, capture_output=True
    )
