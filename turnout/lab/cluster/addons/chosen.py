"""The add-ons of one cluster, from what they need to when they are ready."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from turnout.domain.errors import RefusedError
from turnout.domain.server import ServerSpec
from turnout.fabric.environments import Progress
from turnout.fabric.kubernetes.apply import Applier
from turnout.lab.cluster import network
from turnout.lab.cluster.addons import gateway, kserve, kuberay, rollouts
from turnout.lab.cluster.addons.names import GATEWAY, KSERVE, KUBERAY, NODE, ROLLOUTS, complete
from turnout.lab.cluster.credentials import Credentials
from turnout.lab.cluster.node import inside, rise
from turnout.lab.cluster.node.parts import Parts
from turnout.lab.cluster.node.store import Store
from turnout.lab.cluster.plane import ControlPlane


@dataclass(frozen=True)
class Site:
    """Where add-ons are installed.

    Attributes:
        root: The state directory.
        process: A process in the cluster's namespaces.
        address: The node's address.
        credentials: Who may call the API server.
        applier: A connection that writes.
    """

    root: Path
    process: int
    address: str
    credentials: Credentials
    applier: Applier


class Addons:
    """The add-ons of one cluster.

    Args:
        names: Which; what they need comes with them.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        """Nothing is built yet."""
        self._names = complete(names)
        self._node: rise.Binaries | None = None
        self._gateway: gateway.Binaries | None = None
        self._kserve: kserve.Parts | None = None
        self._kuberay: Path | None = None
        self._rollouts: rollouts.Binaries | None = None

    @property
    def enter(self) -> tuple[str, ...]:
        """Put before a command, starts it in the namespaces that these add-ons need."""
        return inside.ENTER if self._names else network.ENTER

    def require(self, root: Path, *, alone: bool, bare: bool) -> None:
        """Check that the cluster is one that can have them.

        Args:
            root: The state directory.
            alone: Whether it has a network namespace of its own.
            bare: Whether it serves Kubernetes' own kinds only.

        Raises:
            RefusedError: It is not.
            InvalidInputError: The state directory is where the node has directories of its own.
        """
        if not self._names:
            return
        if not alone or (bare and self._names != (NODE,)):
            raise RefusedError(
                f"a cluster with {', '.join(self._names)}",
                observed="--bare" if alone else "no network namespace of its own",
                limit="root, a network namespace, and the kinds of its add-ons",
                remedy="Run it as root, without --loopback and --bare.",
            )
        inside.require_seen(root)

    def build(self, say: Progress, *, env: dict[str, str]) -> None:
        """Build and install what they run.

        Raises:
            TurnoutError: Something could not be built or installed.
        """
        if NODE in self._names:
            self._node = rise.build(say, env=env)
        if GATEWAY in self._names:
            self._gateway = gateway.build(say, env=env)
        if KSERVE in self._names:
            self._kserve = kserve.build(say, env=env)
        if KUBERAY in self._names:
            self._kuberay = kuberay.build(say, env=env)
        if ROLLOUTS in self._names:
            self._rollouts = rollouts.build(say, env=env)

    @property
    def programs(self) -> tuple[Path, ...]:
        """What of it runs in containers, each program in an image of its own."""
        found = (
            self._node and self._node.pause,
            self._gateway and self._gateway.gateway,
            self._gateway and self._gateway.envoy,
            self._kserve and self._kserve.controller,
            self._kuberay,
        )
        return tuple(each for each in found if each)

    def furnish(self, process: int, root: Path) -> None:
        """Make what has to be there before the first server starts."""
        if self._node:
            rise.furnish(process, root, alone=self._names == (NODE,))

    def install(
        self, plane: ControlPlane, site: Site, begin: Callable[[ServerSpec], None], say: Progress
    ) -> ControlPlane:
        """Start or apply each, and wait until it is ready.

        Returns:
            The cluster's record, with what they add to it.

        Raises:
            TemporaryError: One was not ready in time.
        """
        store = Store(site.process, site.root)
        if self._node:
            parts = Parts(
                kubernetes=self._node.kubernetes, coredns=self._node.coredns, pause=self._node.pause,
                root=site.root, credentials=site.credentials, address=site.address,
            )  # fmt: skip
            rise.start(parts, store, site.applier, begin)
            say("the node is Ready")
        if self._gateway:
            reached = gateway.install(self._gateway, store, site.applier, site.address)
            plane = plane.model_copy(update={"gateway": reached})
            say(f"the Gateway is Programmed: http://{reached}")
        if self._kserve:
            kserve.install(self._kserve, store, site.applier)
            say("KServe's controller is available")
        if self._kuberay:
            kuberay.install(self._kuberay, store, site.applier)
            say("KubeRay's operator is available")
        if self._rollouts:
            rollouts.install(self._rollouts, store, site.applier)
            say("Argo Rollouts' controller is available")
        return plane
