"""How many requests of each model the proxies say they have answered: what the access log is held against.

The series is the route's own, `vhost.VHOST.route.NAME.upstream_rq_completed`, with the name that
BackendTrafficPolicy gives it (`policies`). It counts what clients were answered: a try whose answer is
thrown away for another try counts in the cluster's `retry` series alone. It counts an answer when it begins,
so it is held against the requests whose answer has begun (`Lateness.counts_begun`). A request that the router
gave no answer (its client left, its body was too large) is in the log and not here; a log may be ahead.
"""

import re
import time
from collections.abc import Callable, Mapping

from turnout.domain.errors import TemporaryError

STATISTICS = "route.*upstream_rq_completed"
"""Regular expression of the only statistics that are asked for, by Envoy's names."""

SETTLE_SECONDS = 5.0
"""So long after its start a reader's counts are not told: records may have gone to the one before it."""

_SAMPLE = re.compile(
    r"^envoy_vhost_route_upstream_rq_completed\{(?P<labels>[^}]*)\} (?P<count>\d+)", re.MULTILINE
)
_ROUTE = re.compile(r'envoy_route="turnout/(?P<namespace>[^/"]+)/(?P<model>[^/"]+)"')


class Completed:
    """The counts of all proxies of a Gateway together.

    Args:
        read: Asks each proxy: its metrics in Prometheus' text, by the name of its pod.
        namespace: Of the models' routes.
        clock: Seconds of a clock that is never set back.
    """

    def __init__(
        self,
        read: Callable[[], Mapping[str, str]],
        namespace: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with no count known."""
        self._read, self._clock = read, clock
        self._namespace = namespace
        self._from_seconds = clock() + SETTLE_SECONDS
        self._last: dict[str, dict[str, int]] = {}

    def completed(self) -> dict[str, int]:
        """Requests whose answer has begun, by model, over all proxies.

        Raises:
            UnreachableError: A proxy does not answer, or there is none.
            TemporaryError: One was replaced since the last call, and what it answered last is not known: the
                counts begin anew. Or this reader has just begun.
        """
        if self._clock() < self._from_seconds:
            raise _begun()
        now = {pod: counted(text, self._namespace) for pod, text in self._read().items()}
        before, self._last = self._last, now
        gone = [pod for pod, counts in before.items() if _began_anew(counts, now.get(pod))]
        if gone:
            raise _replaced(gone)
        total: dict[str, int] = {}
        for counts in now.values():
            for model, count in counts.items():
                total[model] = total.get(model, 0) + count
        return total

    def reopen_logs(self) -> None:
        """Nothing: whoever writes the log opens its file by name for each batch."""


def counted(metrics: str, namespace: str) -> dict[str, int]:
    """One proxy's counts by model, from its metrics (Prometheus' text)."""
    total: dict[str, int] = {}
    for sample in _SAMPLE.finditer(metrics):
        route = _ROUTE.search(sample["labels"])
        if route and route["namespace"] == namespace:
            total[route["model"]] = total.get(route["model"], 0) + int(sample["count"])
    return total


def _began_anew(before: Mapping[str, int], now: Mapping[str, int] | None) -> bool:
    return now is None or any(now.get(model, 0) < count for model, count in before.items())


def _begun() -> TemporaryError:
    return TemporaryError(
        "counts of the proxies",
        observed="this process has only begun to receive their records",
        limit=f"{SETTLE_SECONDS:g} s of it",
        remedy="None is needed.",
    )


def _replaced(pods: list[str]) -> TemporaryError:
    return TemporaryError(
        f"proxies {', '.join(pods)}",
        observed="gone or started again since the last look",
        limit="counts that go on",
        remedy="None is needed: they are counted anew from now on.",
    )
