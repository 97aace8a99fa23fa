"""The node's view of the machine: its own network, and its own /run and /var, gone with its last process.

The mount namespace has no name, as the network's has none. What kubelet, containerd, runc and the network
plugins leave at fixed places (/run/netns, /var/lib/cni, /var/log/containers) they leave in memory there; what
is large (images, volumes, logs) is mounted from the state directory.
"""

import subprocess
from pathlib import Path

from turnout.domain.errors import InvalidInputError, TemporaryError

ENTER = ("unshare", "--net", "--mount", "--propagation", "slave", "--")
"""Put before a command, starts it in new namespaces."""
SOCKET = "/run/containerd/containerd.sock"
"""containerd's, inside."""
KUBELET = Path("/var/lib/kubelet")
"""The kubelet's directory, inside."""
LOGS = Path("/var/log/pods")
"""The pods' logs, inside."""

_HIDDEN = (Path("/run"), Path("/var"))


def require_seen(root: Path) -> None:
    """Check that a state directory can be seen from inside.

    Raises:
        InvalidInputError: It is where the node has directories of its own.
    """
    if any(root.resolve().is_relative_to(hidden.resolve()) for hidden in _HIDDEN):
        raise InvalidInputError(
            f"state directory {root}", observed="below /run or /var",
            limit="another place: the node has a /run and a /var of its own",
            remedy="Name another with --state.",
        )  # fmt: skip


def furnish(process: int, root: Path) -> None:
    """Give the namespace of a process its own /run and /var.

    Args:
        process: A process in the namespace.
        root: The state directory.

    Raises:
        TemporaryError: The system does not let us.
    """
    for folder in ("containerd", "kubelet", "pod-logs"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for command in (
        ("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"),
        ("mkdir", "-p", "/run/var/upper", "/run/var/work", "/run/lock"),
        ("mount", "-t", "overlay", "-o", "lowerdir=/var,upperdir=/run/var/upper,workdir=/run/var/work",
         "overlay", "/var"),
        ("mkdir", "-p", str(KUBELET), str(LOGS)),
        ("mount", "--bind", str(root / "kubelet"), str(KUBELET)),
        ("mount", "--bind", str(root / "pod-logs"), str(LOGS)),
        ("mount", "--make-rshared", "/"),
    ):  # fmt: skip
        run(process, *command)


def run(process: int, *command: str) -> str:
    """Run a command in the namespaces of a process.

    Returns:
        Its standard output.

    Raises:
        TemporaryError: It failed.
    """
    spaces = (f"--net=/proc/{process}/ns/net", f"--mount=/proc/{process}/ns/mnt")
    done = subprocess.run(
        ["nsenter", *spaces, "--", *command], check=False, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, errors="replace",
    )  # fmt: skip
    if done.returncode != 0:
        raise TemporaryError(
            "the node's namespaces", observed=f"{' '.join(command)}: {done.stderr.strip()}",
            limit="a command that succeeds", remedy="Run it again as root, outside of a container.",
        )  # fmt: skip
    return done.stdout
