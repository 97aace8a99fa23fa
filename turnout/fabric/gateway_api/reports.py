"""What the Gateway says of what was written: a write counts as done when it reports it.

`Conditions` reads what a controller writes into the objects' status; `Unattended` is for API servers beside
which no controller runs, where a write is done when it is stored.
"""

from collections.abc import Iterator
from typing import Protocol

from turnout.domain.errors import RefusedError
from turnout.fabric.gateway_api.place import Object, Place


class Reports(Protocol):
    """Says whether the Gateway has taken an object as it stands."""

    def lacking(self, item: Object) -> str | None:
        """What is still awaited of an object, in words; None when the Gateway reports it.

        Raises:
            RefusedError: The Gateway has looked at it and does not take it.
        """


class Unattended:
    """No controller: everything that is stored counts as reported."""

    def lacking(self, item: Object) -> str | None:  # noqa: ARG002 -- of the protocol
        """See `Reports.lacking`."""
        return None


_WANTED = {
    "HTTPRoute": ("Accepted", "ResolvedRefs"),
    "EnvoyPatchPolicy": ("Accepted", "Programmed"),
}
_PASSING = frozenset({"ResourceNotFound", "BackendNotFound", "Pending"})
"""Reasons of a condition that is not met yet, and will be."""


class Conditions:
    """The status that a controller writes, for the Gateway that is asked about.

    Args:
        place: Where that Gateway is.
    """

    def __init__(self, place: Place) -> None:
        """Keep whose word counts."""
        self._place = place

    def lacking(self, item: Object) -> str | None:
        """See `Reports.lacking`."""
        conditions = {one["type"]: one for one in self._said(item)}
        for kind in _WANTED[item["kind"]]:
            condition = conditions.get(kind)
            if condition is None or condition.get("observedGeneration", 0) < item["metadata"]["generation"]:
                return f"{kind} of generation {item['metadata']['generation']}"
            if condition["status"] != "True":
                return self._unmet(item, condition)
        return None

    def _said(self, item: Object) -> Iterator[Object]:
        """The conditions that hold for our Gateway."""
        status = item.get("status") or {}
        for one in status.get("parents") or status.get("ancestors") or []:
            ref = one.get("parentRef") or one.get("ancestorRef") or {}
            if ref.get("name") == self._place.gateway:
                yield from one.get("conditions") or []

    @staticmethod
    def _unmet(item: Object, condition: Object) -> str:
        words = f"{condition['type']}: {condition.get('reason')}: {condition.get('message')}"
        if condition.get("reason") in _PASSING:
            return words
        raise RefusedError(
            f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}",
            observed=words,
            limit=f"{condition['type']} is true",
            remedy="Correct what it names; Envoy Gateway needs enableBackend and enableEnvoyPatchPolicy.",
        )
