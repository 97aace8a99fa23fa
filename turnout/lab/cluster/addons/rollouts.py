"""Argo Rollouts' controller with its Gateway API plugin: what Turnout is measured against."""

from dataclasses import dataclass
from pathlib import Path

from turnout.fabric.environments import Progress
from turnout.fabric.kubernetes.apply import Applier
from turnout.lab.cluster import images, programs
from turnout.lab.cluster.addons import objects
from turnout.lab.cluster.node.store import Store

PLUGIN = "argoproj-labs/gatewayAPI"
"""Name of the plugin, under which Rollouts have its settings."""

_MANIFEST = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class Binaries:
    """What the image is made of: the controller, and the plugin that it starts."""

    controller: Path
    plugin: Path


def build(say: Progress, *, env: dict[str, str]) -> Binaries:
    """Build the controller and the plugin.

    Raises:
        TurnoutError: One could not be built.
    """
    # First what not every module proxy has.
    plugin = programs.ensure(programs.GATEWAY_PLUGIN, say, env=env)
    return Binaries(programs.ensure(programs.ARGO_ROLLOUTS, say, env=env), plugin)


def install(binaries: Binaries, store: Store, applier: Applier) -> None:
    """Install the controller, and wait until it is available.

    Raises:
        TemporaryError: It was not in time.
    """
    values = {
        "image": store.ensure(binaries.controller, binaries.plugin),
        "plugin": PLUGIN,
        "location": f"file:///{images.PLACE}/{binaries.plugin.name}",
    }
    found = objects.load(_MANIFEST, values)
    applier.apply(found)
    objects.wait(applier, found[-1], objects.available)
