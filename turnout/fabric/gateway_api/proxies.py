"""What the Gateway's proxies count, read from each pod's metrics through the API server."""

import re
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLateError
from typing import Protocol

from turnout.domain.errors import UnreachableError
from turnout.fabric.gateway_api.place import ENVOY_GATEWAY, Place
from turnout.fabric.kubernetes.apply import Applier
from turnout.fabric.router.envoy_names import candidate_cluster

_METRICS_PORT = 19001
"""Where Envoy Gateway's proxies show their metrics."""
_ACTIVE = "envoy_cluster_upstream_rq_active"
_LOOK_SECONDS = 1.0
"""Longest wait of one look at all proxies: the sentinel takes one each second, and waits for it."""
_AT_ONCE = 8


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
        self._asking = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="proxies")

    def active(self, attempt: str) -> int:
        """See `Counts.active`."""
        return sum(active_in(self._page(path), attempt) for path in self._running())

    def look(self, statistics: str) -> dict[str, str]:
        """Some metrics of all proxies at the same moment, of those that were ever counted.

        Args:
            statistics: A regular expression of the statistics' names, as Envoy has them.

        Returns:
            Prometheus' text, by the path of the proxy's pod.

        Raises:
            UnreachableError: A proxy does not answer in time, or there is none.
        """
        query = {"usedonly": "", "filter": statistics}
        try:
            paths = self._asking.submit(self._running).result(_LOOK_SECONDS)
            pages = self._asking.map(lambda path: self._page(path, query), paths, timeout=_LOOK_SECONDS)
            return dict(zip(paths, pages, strict=True))
        except TooLateError as error:
            raise UnreachableError(
                self._named(),
                observed=f"no answer of all of them within {_LOOK_SECONDS:g} s",
                limit="their counts each second",
                remedy="Look at the proxies' pods and at the API server, which hands their metrics on.",
            ) from error

    def _page(self, path: str, query: dict[str, str] | None = None) -> str:
        return self._api.text(f"{path}/proxy/stats/prometheus", query, named=path)

    def _named(self) -> str:
        return f"proxies of Gateway {self._place.namespace}/{self._place.gateway}"

    def _running(self) -> list[str]:
        """Paths of the pods, of which there is one at least."""
        pods = self._pods()
        if not pods:
            raise UnreachableError(
                self._named(),
                observed="no pod of one runs",
                limit="a proxy that tells its counts",
                remedy="Look at the Gateway's status and its Deployment.",
            )
        return pods

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
