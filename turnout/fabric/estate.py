"""The estate from where the settings or the options say it is: a folder of manifests, or a cluster."""

from dataclasses import dataclass
from pathlib import Path

from turnout.domain.inventory import Inventory
from turnout.fabric import manifests
from turnout.settings import Settings


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which cluster, and which part of it.

    Attributes:
        kubeconfig: File; None: where `kubectl` looks, or the pod's own service account.
        context: Context of the kubeconfig; None: its current one.
        namespaces: Only these; none: all.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    namespaces: tuple[str, ...] = ()


def place(settings: Settings) -> Path | Cluster:
    """Where the settings say that the estate is."""
    if settings.estate == "manifests":
        return settings.manifests
    return Cluster(settings.kubeconfig, settings.context, settings.namespaces)


def read(where: Path | Cluster) -> Inventory:
    """Read the estate.

    Raises:
        NotFoundError: There is no such folder, no manifest in it, or no such kubeconfig.
        InvalidInputError: The kubeconfig cannot be used.
        RefusedError: The cluster does not take the credentials.
        UnreachableError: The API server did not answer.
    """
    if isinstance(where, Path):
        return manifests.read(where)
    # Loaded only here: the client takes half a second, and folders need none of it.
    from turnout.fabric.kubernetes import estate  # noqa: PLC0415
    from turnout.fabric.kubernetes.api import ClusterApi  # noqa: PLC0415

    with ClusterApi(where.kubeconfig, where.context) as api:
        return estate.read(api, where.namespaces)
