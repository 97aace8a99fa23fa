"""Node pools from a live cluster's nodes."""

from turnout.domain.nodes import NodePools, pools_of
from turnout.domain.prices import Prices
from turnout.fabric.kubernetes.api import ClusterApi


def pools(api: ClusterApi, prices: Prices = Prices()) -> NodePools:  # noqa: B008 -- frozen
    """Read the cluster's nodes as pools; reads `v1` nodes only.

    Raises:
        UnreachableError: The API server does not answer.
        RefusedError: The account may not list nodes.
    """
    return pools_of((node for page in api.pages("v1", "nodes") for node in page), prices)
