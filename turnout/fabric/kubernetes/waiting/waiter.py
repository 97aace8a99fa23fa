"""Asks the API server until objects are ready, and gathers why they are not."""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from turnout.domain.errors import InvalidInputError, NotFoundError, TemporaryError, TurnoutError
from turnout.fabric.kubernetes.apply import Applier
from turnout.fabric.kubernetes.waiting import reasons
from turnout.fabric.kubernetes.waiting.readiness import Ready, readiness
from turnout.fabric.kubernetes.waiting.reasons import Reason

Object = dict[str, Any]

POLL_SECONDS = 1.0
LOG_LINES = 5
LONGEST_WORDS = 2000
"""Of one error: all replicas of a large workload say the same, and a log line may be a page."""


class Waiter:
    """Waits for objects of a cluster.

    Args:
        applier: The connection; it needs to read pods, their logs and events.
        clock: Seconds that are never set back.
        pause: Sleeps.
    """

    def __init__(
        self, applier: Applier, *, clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        """Keep the connection."""
        self._applier, self._clock, self._pause = applier, clock, pause

    def until_ready(self, objects: Iterable[Object], *, within_seconds: float) -> None:
        """Wait until every object is what its spec says.

        Args:
            objects: As they were applied.
            within_seconds: For all of them together.

        Raises:
            TemporaryError: One was not ready in time; the message says why, with the last lines of its logs.
            InvalidInputError: One will never be: its controller gave up, or its image cannot be one.
            UnreachableError: The API server does not answer.
        """
        until = self._clock() + within_seconds
        for each in objects:
            while not (now := self._readiness(each)).ready:
                if now.hopeless or any(reason.hopeless for reason in reasons.of_pods(self._pods(each))):
                    raise _failed(InvalidInputError, each, now, self.why(each), "objects that can be ready")
                if self._clock() >= until:
                    limit = f"ready within {within_seconds:g} s"
                    raise _failed(TemporaryError, each, now, self.why(each), limit)
                self._pause(POLL_SECONDS)

    def why(self, item: Object) -> list[Reason]:
        """Why a workload is not ready: its pods, the events about it, the last lines of what they said."""
        pods, space = self._pods(item), item["metadata"].get("namespace", "default")
        found = [self._with_log(space, reason) for reason in reasons.of_pods(pods)]
        subjects = {item["metadata"]["name"], *self._made_by(item), *(p["metadata"]["name"] for p in pods)}
        events = self._list("v1", "Event", item)
        return [*found, *reasons.of_events(events, subjects)]

    def _readiness(self, item: Object) -> Ready:
        try:
            return readiness(self._applier.call("GET", self._applier.path(item), named=_named(item)))
        except NotFoundError:
            return Ready(ready=False, words="it is not there")

    def _pods(self, item: Object) -> list[Object]:
        """The pods that a workload's selector finds; a Job's and a RayService's by their own labels."""
        if item["kind"] == "RayService":
            clusters = self._made_by(item)
            return [
                pod
                for pod in self._list("v1", "Pod", item, {"labelSelector": "ray.io/cluster"})
                if pod["metadata"]["labels"]["ray.io/cluster"] in clusters
            ]
        if item["kind"] == "Job":
            mine = {"labelSelector": f"batch.kubernetes.io/job-name={item['metadata']['name']}"}
            return self._list("v1", "Pod", item, mine)
        labels = ((item.get("spec") or {}).get("selector") or {}).get("matchLabels")
        if not labels or item["kind"] not in {"Deployment", "StatefulSet"}:
            return []
        chosen = ",".join(f"{key}={value}" for key, value in labels.items())
        return self._list("v1", "Pod", item, {"labelSelector": chosen})

    def _made_by(self, item: Object) -> set[str]:
        """What a controller made for it and puts between it and its pods."""
        version, kind = {
            "Deployment": ("apps/v1", "ReplicaSet"), "RayService": ("ray.io/v1", "RayCluster"),
        }.get(item["kind"], ("", ""))  # fmt: skip
        name = item["metadata"]["name"]
        made = self._list(version, kind, item) if kind else []
        return {
            each["metadata"]["name"]
            for each in made
            if any(owner["name"] == name for owner in each["metadata"].get("ownerReferences", ()))
        }

    def _list(
        self, version: str, kind: str, item: Object, query: dict[str, str] | None = None
    ) -> list[Object]:
        root, _, plural = self._applier.collection(version, kind).rpartition("/")
        space = item["metadata"].get("namespace", "default")
        found = self._applier.call("GET", f"{root}/namespaces/{space}/{plural}", query, named=f"{kind}s")
        return [{"kind": kind, **each} for each in found["items"]]

    def _with_log(self, space: str, reason: Reason) -> Reason:
        """A reason with the last lines that its container wrote; without them where there are none."""
        if reason.log_of is None:
            return reason
        pod, container = reason.log_of
        query = {
            "container": container,
            "tailLines": str(LOG_LINES),
            "previous": str(reason.previous).lower(),
        }
        path = f"/api/v1/namespaces/{space}/pods/{pod}/log?{urlencode(query)}"
        try:
            lines = self._applier.text(path, named=f"log of {pod}").strip().splitlines()
        except TurnoutError:
            return reason
        said = " | ".join(line.strip() for line in lines)
        return replace(reason, words=f"{reason.words}; its last lines: {said}") if said else reason


def _named(item: Object) -> str:
    return f"{item['kind']} {item['metadata']['name']}"


def _failed(
    kind: type[TurnoutError], item: Object, now: Ready, why: Iterable[Reason], limit: str
) -> TurnoutError:
    words = "; ".join([now.words, *map(str, why)])
    return kind(
        _named(item), observed=words[:LONGEST_WORDS], limit=limit,
        remedy="Correct what is named first; kubectl describe and kubectl logs tell more.",
    )  # fmt: skip
