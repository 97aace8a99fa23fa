"""A namespace of a test's own on a real API server."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from turnout.domain.errors import NotFoundError
from turnout.fabric.kubernetes.apply import Applier

WITHIN_SECONDS = 180.0
"""Controllers do each of these in a moment on an idle machine."""


@contextmanager
def namespace(applier: Applier, test: str, labels: Mapping[str, str]) -> Iterator[str]:
    """A namespace, gone with all that is in it when the block ends.

    Args:
        applier: Writes as the administrator.
        test: The test's id, which the name is made from.
        labels: Of the namespace.
    """
    name = f"test-{hashlib.sha256(test.encode()).hexdigest()[:12]}"
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}
    applier.apply([made])
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    _until("the namespace's default service account", lambda: _there(applier, account))
    yield name
    applier.delete(made)
    _until("the end of the namespace", lambda: not _there(applier, f"/api/v1/namespaces/{name}"))


def _until(what: str, true: Callable[[], bool]) -> None:
    until = time.monotonic() + WITHIN_SECONDS
    while not true():
        assert time.monotonic() < until, f"never came: {what}"
        time.sleep(0.2)


def _there(applier: Applier, path: str) -> bool:
    try:
        applier.call("GET", path)
    except NotFoundError:
        return False
    return True
