"""Applies an add-on's objects and waits until they are as they should be."""

import string
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from turnout.domain.errors import NotFoundError, TemporaryError
from turnout.fabric.kubernetes.apply import Applier, Object

WITHIN_SECONDS = 300.0
"""Pods are ready in seconds on an idle machine; two loaded cores need a multiple."""
_POLL_SECONDS = 0.2


def load(file: Path, values: dict[str, str]) -> list[Object]:
    """Objects of a YAML file, in which `${name}` stands for a value."""
    text = string.Template(file.read_text()).substitute(values)
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]


def wait(applier: Applier, item: Object, true: Callable[[Object], bool]) -> Object:
    """Wait until an object is as it should be.

    Args:
        applier: The connection.
        item: Which, by kind, namespace and name.
        true: Whether it is so.

    Returns:
        The object.

    Raises:
        TemporaryError: It was not in time; the message ends with its status.
    """
    path, until, seen = applier.path(item), time.monotonic() + WITHIN_SECONDS, dict[str, Any]()
    while time.monotonic() < until:
        try:
            seen = applier.call("GET", path)
        except NotFoundError:
            seen = {}
        if seen and true(seen):
            return seen
        time.sleep(_POLL_SECONDS)
    raise TemporaryError(
        f"{item['kind']} {item['metadata']['name']}", observed=f"status {seen.get('status')}",
        limit=f"ready within {WITHIN_SECONDS:g} s", remedy="See its events: kubectl describe.",
    )  # fmt: skip


def condition(kind: str) -> Callable[[Object], bool]:
    """Whether a condition of an object holds, for `wait`."""

    def true(item: Object) -> bool:
        conditions = item.get("status", {}).get("conditions", [])
        return any(each["type"] == kind and each["status"] == "True" for each in conditions)

    return true


def available(item: Object) -> bool:
    """Whether a Deployment has rolled out, for `wait`."""
    status = item.get("status", {})
    wanted = item["spec"].get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= item["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == status.get("availableReplicas", 0) == wanted
    )
