"""Starts the node beside a control plane, and waits until it is Ready."""

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from turnout.domain.server import ServerSpec
from turnout.fabric import cgroups, marks
from turnout.fabric.environments import Progress
from turnout.fabric.kubernetes.apply import Applier, Object
from turnout.lab.cluster import programs
from turnout.lab.cluster.addons import objects
from turnout.lab.cluster.credentials import NODE_NAME
from turnout.lab.cluster.node import inside, packages, unpacked
from turnout.lab.cluster.node.parts import Parts
from turnout.lab.cluster.node.store import Store


@dataclass(frozen=True)
class Binaries:
    """What the node runs beside Debian's packages."""

    kubernetes: Path
    coredns: Path
    pause: Path


def build(say: Progress, *, env: dict[str, str]) -> Binaries:
    """Install the packages and build the binaries that are missing.

    Raises:
        TurnoutError: Something could not be built or installed.
    """
    packages.ensure(say)
    built = (
        programs.ensure(each, say, env=env)
        for each in (programs.CONTROL_PLANE, programs.COREDNS, programs.PAUSE)
    )
    return Binaries(*built)


def furnish(process: int, root: Path, *, alone: bool) -> None:
    """Make what the first server finds: the namespace's folders, images, control groups.

    Args:
        process: A process in the node's namespaces.
        root: The state directory.
        alone: Nothing is added on to it: its few images are sooner unpacked than all are lent.

    Raises:
        TemporaryError: The system does not let us, or there is no room.
    """
    inside.furnish(process, root)
    if not alone:
        unpacked.lend(root)
    cgroups.make(marks.lab_id(root))


def start(parts: Parts, store: Store, applier: Applier, begin: Callable[[ServerSpec], None]) -> None:
    """Start the node's servers.

    Args:
        parts: The servers.
        store: The node's images.
        applier: A connection to the API server.
        begin: Starts a server and waits until it is ready.

    Raises:
        TemporaryError: A server, or the node as a whole, was not ready in time.
    """
    parts.configure()
    began = dt.datetime.now(dt.UTC).replace(microsecond=0)
    with ThreadPoolExecutor() as pool:
        others = [pool.submit(begin, spec) for spec in (parts.kube_proxy(), parts.kube_router(), parts.dns())]
        begin(parts.containerd())
        store.ensure(parts.pause)
        begin(parts.kubelet())
        for other in others:
            other.result()
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE_NAME}}
    objects.wait(applier, node, lambda item: _ready_since(item, began))


def _ready_since(node: Object, began: dt.datetime) -> bool:
    """Whether the kubelet that runs now says so; an earlier one's word is kept with the rest."""
    ready = next((each for each in node["status"].get("conditions", []) if each["type"] == "Ready"), None)
    if ready is None or ready["status"] != "True":
        return False
    return dt.datetime.fromisoformat(ready["lastHeartbeatTime"]) >= began
