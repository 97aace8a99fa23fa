"""KubeRay's operator: RayServices, RayClusters and RayJobs become pods of the real node."""

from pathlib import Path

from turnout.fabric.environments import Progress
from turnout.fabric.kubernetes.apply import Applier
from turnout.lab.cluster import programs
from turnout.lab.cluster.addons import objects
from turnout.lab.cluster.node.store import Store

_MANIFEST = Path(__file__).with_suffix(".yaml")


def build(say: Progress, *, env: dict[str, str]) -> Path:
    """Build the operator.

    Raises:
        TurnoutError: It could not be built.
    """
    return programs.ensure(programs.KUBERAY, say, env=env)


def install(binary: Path, store: Store, applier: Applier) -> None:
    """Install the operator, and wait until it is available.

    Raises:
        TemporaryError: It was not in time.
    """
    found = objects.load(_MANIFEST, {"image": store.ensure(binary)})
    applier.apply(found)
    objects.wait(applier, found[-1], objects.available)
