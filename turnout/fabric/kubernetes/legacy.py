"""Keeps a model's InferenceService at its full size; KServe hands the least on to its autoscaler."""

import json
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from turnout.domain.errors import TemporaryError
from turnout.domain.legacy_size import STOPPED, full, least, pinning, releasing, stopping
from turnout.fabric import whole
from turnout.fabric.kubernetes.apply import Applier, ConflictError

Object = dict[str, Any]

READY_WITHIN_SECONDS = 300.0
"""What is pinned runs already, as a rule; an InferenceService that had scaled to zero has to load."""
STOPPED_WITHIN_SECONDS = 120.0
_POLL_SECONDS = 1.0
_TRIES = 5
_MERGE = "application/merge-patch+json"


class KServeSize:
    """The size of legacy models on a cluster.

    Args:
        applier: The connection.
        place: Namespace and name of a model's InferenceService.
        kept: Folder in which a pinned model's least from before is kept.
    """

    def __init__(self, applier: Applier, place: Callable[[str], tuple[str, str]], kept: Path) -> None:
        """Keep the connection."""
        self._applier = applier
        self._place = place
        self._kept = kept

    def pin(self, model: str) -> None:
        """See that legacy keeps what it runs on, and that all of it is ready.

        Raises:
            NotFoundError: There is no such InferenceService.
            TemporaryError: Its replicas are not all ready, or somebody else writes to it at the same time.
        """
        service = self._write(model, partial(self._pinning, model))
        wanted = full(service, {})
        until = time.monotonic() + READY_WITHIN_SECONDS
        while lacking := Counter(wanted) - Counter(self._replicas(model, "status", "readyReplicas")):
            if time.monotonic() > until:
                raise TemporaryError(
                    f"legacy of {model}", observed=f"not ready: {dict(lacking)} of {wanted}",
                    limit="its full size, before a candidate takes traffic",
                    remedy="Look at its pods; then start the run again.",
                )  # fmt: skip
            time.sleep(_POLL_SECONDS)

    def release(self, model: str) -> None:
        """Give its autoscaler its own least back.

        Raises:
            NotFoundError: There is no such InferenceService.
            TemporaryError: Somebody else writes to it at the same time.
        """
        self._write(model, partial(self._releasing, model))
        self._file(model).unlink(missing_ok=True)

    def scales(self, model: str) -> bool:  # noqa: ARG002 -- any InferenceService
        """Whether it can be scaled down from here."""
        return True

    def retire(self, model: str) -> None:
        """Stop it as KServe does: its pods go, the object stays.

        Raises:
            NotFoundError: There is no such InferenceService.
            TemporaryError: Its pods are still there, or somebody else writes to it at the same time.
        """
        self._write(model, partial(stopping, stopped=True))
        until = time.monotonic() + STOPPED_WITHIN_SECONDS
        while left := {role: n for role, n in self._replicas(model, "status", "replicas").items() if n}:
            if time.monotonic() > until:
                raise TemporaryError(
                    f"legacy of {model}", observed=f"still there: {left}", limit="no replica",
                    remedy=f"KServe before 0.16 does not know {STOPPED}: scale it down by hand.",
                )  # fmt: skip
            time.sleep(_POLL_SECONDS)

    def restore(self, model: str) -> None:
        """Let it run again, at the size that it had, and wait until all of it is ready.

        Raises:
            NotFoundError: There is no such InferenceService.
            TemporaryError: Its replicas are not all ready, or somebody else writes to it at the same time.
        """
        self._write(model, partial(stopping, stopped=False))
        self.pin(model)

    def _pinning(self, model: str, found: Object) -> Object | None:
        """Keep its least from before, and then its patch; a second pin keeps the first one's."""
        if self._before(model, found) is None:
            before = {"uid": found["metadata"]["uid"], "least": least(found)}
            whole.write(self._file(model), json.dumps(before, sort_keys=True))
        return pinning(found, self._replicas(model, "spec", "replicas"))

    def _releasing(self, model: str, found: Object) -> Object | None:
        before = self._before(model, found)
        return None if before is None else releasing(found, before)

    def _before(self, model: str, found: Object) -> dict[str, int | None] | None:
        """Its least before it was pinned; None where it is not, or was made anew since."""
        file = self._file(model)
        kept = json.loads(file.read_text()) if file.is_file() else {}
        return kept["least"] if kept.get("uid") == found["metadata"]["uid"] else None

    def _file(self, model: str) -> Path:
        return self._kept / f"{model}.json"

    def _write(self, model: str, patch_of: Callable[[Object], Object | None]) -> Object:
        """Read, decide and write at the version that was read; returns the object as it then is."""
        namespace, name = self._place(model)
        path = f"/apis/serving.kserve.io/v1beta1/namespaces/{namespace}/inferenceservices/{name}"
        named = f"InferenceService {namespace}/{name}"
        for _ in range(_TRIES):
            found = self._applier.call("GET", path, named=named)
            patch = patch_of(found)
            if patch is None:
                return found
            try:
                return self._applier.call("PATCH", path, {"fieldManager": "turnout"}, patch, named=named,
                                          content=_MERGE)  # fmt: skip
            except ConflictError:
                continue
        raise TemporaryError(
            named, observed=f"changed by somebody else {_TRIES} times while it was written",
            limit="a moment without other writers", remedy="Start the run again.",
        )  # fmt: skip

    def _replicas(self, model: str, part: str, field: str) -> dict[str, int]:
        """A count of each component, over the Deployments that KServe, or Knative for it, has made."""
        namespace, name = self._place(model)
        chosen = {"labelSelector": f"serving.kserve.io/inferenceservice={name}"}
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        counts: Counter[str] = Counter()
        for each in self._applier.call("GET", path, chosen, named="legacy's Deployments")["items"]:
            counts[each["metadata"]["labels"].get("component", "predictor")] += each[part].get(field, 0)
        return dict(counts)
