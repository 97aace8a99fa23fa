"""A network namespace of the cluster's own, and the way into it.

The namespace has no name: it lives exactly as long as the cluster's processes, which are started in it; when
the last of them ends, however it ends, the kernel removes it with its interfaces. A veth pair leads into it,
with addresses from 198.18.0.0/15, which RFC 2544 sets aside for tests.
"""

import ipaddress
import json
import os
import shutil
import subprocess
from dataclasses import dataclass

from turnout.domain.errors import RefusedError

ENTER = ("unshare", "--net", "--")
"""Put before a command, starts it in a new network namespace."""
INSIDE = "eth0"
"""Name of the interface in the namespace."""

_PREFIX = "turnout"
_RANGE = ipaddress.IPv4Network("198.18.0.0/15")
_SUBNETS = _RANGE.num_addresses // 4


@dataclass(frozen=True)
class Link:
    """The way into a namespace: a veth pair and a subnet of four addresses.

    Attributes:
        number: Which of the subnets.
    """

    number: int

    @property
    def interface(self) -> str:
        """Name of the interface outside; no two can have the same, so it also reserves the subnet."""
        return f"{_PREFIX}{self.number}"

    @property
    def outside(self) -> str:
        """Address outside."""
        return str(_RANGE[4 * self.number + 1])

    @property
    def inside(self) -> str:
        """Address in the namespace, at which the cluster is reached."""
        return str(_RANGE[4 * self.number + 2])


def available() -> bool:
    """Whether a namespace can be made here: that takes root, or the capabilities that it usually has."""
    if os.geteuid() != 0 or not (shutil.which("ip") and shutil.which("nsenter") and shutil.which("unshare")):
        return False
    return subprocess.run([*ENTER, "true"], check=False, capture_output=True).returncode == 0


def open_link(process: int, first: int) -> Link:
    """Lead a veth pair into a process's namespace.

    Args:
        process: A process in the namespace.
        first: The subnet that is tried first; those that are taken are left out.

    Raises:
        RefusedError: The system does not let us, or every subnet is taken.
    """
    taken = _taken()
    for attempt in range(_SUBNETS):
        link = Link((first + attempt) % _SUBNETS)
        if link.number in taken:
            continue
        made = _run(
            "ip", "link", "add", link.interface, "type", "veth", "peer", INSIDE, "netns", str(process)
        )
        if made.returncode == 0:
            _configure(link, process)
            return link
        if "File exists" not in made.stderr:
            raise _refused(made.stderr)
    raise _refused("every subnet is taken")


def exists(interface: str) -> bool:
    """Whether an interface is (still) there."""
    return _run("ip", "link", "show", interface).returncode == 0


def _configure(link: Link, process: int) -> None:
    inside = ("nsenter", f"--net=/proc/{process}/ns/net", "--")
    for command in (
        ("ip", "address", "add", f"{link.outside}/30", "dev", link.interface),
        ("ip", "link", "set", link.interface, "up"),
        (*inside, "ip", "link", "set", "lo", "up"),
        (*inside, "ip", "address", "add", f"{link.inside}/30", "dev", INSIDE),
        (*inside, "ip", "link", "set", INSIDE, "up"),
        (*inside, "ip", "route", "add", "default", "via", link.outside),
    ):
        done = _run(*command)
        if done.returncode != 0:
            raise _refused(f"{' '.join(command)}: {done.stderr}")


def _taken() -> set[int]:
    """Subnets that overlap with a route of this machine."""
    taken: set[int] = set()
    for route in json.loads(_run("ip", "-json", "-4", "route", "show", "table", "all").stdout or "[]"):
        if route.get("dst") in {None, "default"} or route.get("type") in {"local", "broadcast"}:
            continue
        there = ipaddress.IPv4Network(route["dst"], strict=False)
        if _RANGE.supernet_of(there):
            low = (int(there.network_address) - int(_RANGE.network_address)) // 4
            taken.update(range(low, low + max(there.num_addresses // 4, 1)))
    return taken


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def _refused(observed: str) -> RefusedError:
    return RefusedError(
        "the cluster's network", observed=observed.strip(), limit="a veth pair and a subnet for it",
        remedy="Use free ports on loopback instead: --loopback.",
    )  # fmt: skip
