"""containerd as it should run: what unpacks images, and runs containers."""

from pathlib import Path

from turnout.domain.server import ServerSpec
from turnout.lab.cluster.node import inside

NAME = "containerd"
CRI = "io.containerd.grpc.v1.cri"
"""Its plugin that the kubelet talks to."""

_READY = "127.0.0.1:1338"


def spec(config: Path) -> ServerSpec:
    """The server. It ends faster than it asks its shims to: the node as a whole ends.

    Args:
        config: File of its settings.
    """
    return ServerSpec(
        name=NAME, environment="core", command=(NAME, f"--config={config}"),
        ready_url=f"http://{_READY}/v1/metrics",
    )  # fmt: skip


def folder(root: Path) -> Path:
    """What it keeps for good, of a state directory."""
    return root / "containerd"


def settings(root: Path, *, without: tuple[str, ...] = (), plugins: str = "") -> str:
    """Its settings.

    Args:
        root: The state directory.
        without: Plugins that it does not load.
        plugins: The settings of those that it does.
    """
    # The first would make directories below /opt.
    disabled = ", ".join(f'"{name}"' for name in ("io.containerd.internal.v1.opt", *without))
    return f"""version = 2
root = "{folder(root)}"
state = "/run/containerd"
disabled_plugins = [{disabled}]
[grpc]
address = "{inside.SOCKET}"
[metrics]
address = "{_READY}"
{plugins}"""
