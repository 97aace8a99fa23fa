"""A namespace of a test's own on a real API server."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.waiting import until
from turnout.domain.errors import NotFoundError
from turnout.fabric.kubernetes.apply import Applier

WITHIN_SECONDS = 180.0
"""Controllers do each of these in a moment on an idle machine."""


@contextmanager
def namespace(applier: Applier, test: str, labels: Mapping[str, str], *, kept: bool = False) -> Iterator[str]:
    """A namespace, and all that is in it, until the block ends.

    What took room on nodes is gone by then; a namespace without pods takes its five seconds to end by itself.

    Args:
        applier: Writes as the administrator.
        test: The test's id, which the name is made from.
        labels: Of the namespace.
        kept: It stays, and ends with its cluster.
    """
    name = f"test-{hashlib.sha256(test.encode()).hexdigest()[:12]}"
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}
    applier.apply([made])
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    until(lambda: _there(applier, account), "the namespace's default service account", WITHIN_SECONDS)
    yield name
    if kept:
        return
    applier.delete(made)
    if applier.call("GET", f"/api/v1/namespaces/{name}/pods")["items"]:
        until(lambda: not _there(applier, f"/api/v1/namespaces/{name}"), "the end of it", WITHIN_SECONDS)


def _there(applier: Applier, path: str) -> bool:
    try:
        applier.call("GET", path)
    except NotFoundError:
        return False
    return True
