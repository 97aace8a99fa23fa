"""What the Gateway's proxies count, read from each pod's metrics through the API server."""

import re
from typing import Protocol

from turnout.domain.errors import UnreachableError
from turnout.fabric.gateway_api.place import ENVOY_GATEWAY, Place
from turnout.fabric.kubernetes.apply import Applier
from turnout.fabric.router.envoy_names import candidate_cluster

_METRICS_PORT = 19001
"""Where Envoy Gateway's proxies show their metrics."""
_ACTIVE = "envoy_cluster_upstream_rq_active"


class Counts(Protocol):
    """Who counts the requests that candidates are answering."""

    def active(self, attempt: str) -> int:
        """Requests that an attempt's candidate is answering, over all proxies.

        Raises:
            UnreachableError: A proxy does not answer, or there is none.
        """


class Proxies:
    """The pods of one Gateway's proxies.

    Args:
        api: The connection; its user needs get on `pods/proxy`.
        place: Where the Gateway is.
    """

    def __init__(self, api: Applier, place: Place) -> None:
        """Keep who is asked; nothing is called yet."""
        self._api = api
        self._place = place

    def active(self, attempt: str) -> int:
        """See `Counts.active`."""
        return sum(active_in(text, attempt) for text in self._metrics())

    def _metrics(self) -> list[str]:
        pods = self._pods()
        if not pods:
            raise UnreachableError(
                f"proxies of Gateway {self._place.namespace}/{self._place.gateway}",
                observed="no pod of one runs",
                limit="a proxy that tells its counts",
                remedy="Look at the Gateway's status and its Deployment.",
            )
        return [self._api.text(f"{path}/proxy/stats/prometheus", named=path) for path in pods]

    def _pods(self) -> list[str]:
        """Paths of the pods that run."""
        owner = f"{ENVOY_GATEWAY}/owning-gateway"
        query = {
            "labelSelector": f"{owner}-name={self._place.gateway},{owner}-namespace={self._place.namespace}",
            "fieldSelector": "status.phase=Running",
        }
        found = self._api.call("GET", "/api/v1/pods", query, named="pods of proxies")["items"]
        meta = (each["metadata"] for each in found)
        return [f"/api/v1/namespaces/{m['namespace']}/pods/{m['name']}:{_METRICS_PORT}" for m in meta]


def active_in(metrics: str, attempt: str) -> int:
    """Requests that an attempt's candidate is answering, by one proxy's metrics (Prometheus' text)."""
    name = re.escape(candidate_cluster(attempt))
    sample = rf'^{_ACTIVE}\{{[^}}]*envoy_cluster_name="{name}"[^}}]*\}} (\d+)'
    return sum(int(found[1]) for found in re.finditer(sample, metrics, re.MULTILINE))
