"""How decisions reach a route that others write, too: at the version that was read, or past every version."""

from collections.abc import Callable
from typing import Protocol

from turnout.domain.errors import TurnoutError
from turnout.domain.route import Tombstone
from turnout.fabric.gateway_api import deciding
from turnout.fabric.gateway_api.place import Object
from turnout.fabric.gateway_api.record import parse
from turnout.fabric.kubernetes.apply import ConflictError

_CONFLICTS = 20
"""Writes of others that a raise may meet before it gives up: a status is written after each change."""


class Store(Protocol):
    """Where routes are kept: `routes.Routes`."""

    def read(self, model: str) -> Object:
        """Read a model's route."""

    def replace(self, route: Object) -> Object:
        """Replace a route unless it was written since it was read (ConflictError)."""

    def patch(self, model: str, patch: deciding.Patch) -> Object:
        """Change a route wherever it stands, all or nothing, if what the patch tests holds."""


def write(store: Store, model: str, decide: Callable[[Object], Object | None]) -> None:
    """Write a decision on the route as it stands; decide anew where somebody else wrote meanwhile.

    Args:
        store: Where the route is.
        model: The model.
        decide: Makes the new route of the one that stands; None where nothing is to be written.

    Raises:
        RefusedError: `decide` refuses, or others write all the time.
    """
    for left in reversed(range(_CONFLICTS)):
        made = decide(store.read(model))
        if made is None:
            return
        try:
            store.replace(made)
        except ConflictError:
            if not left:
                raise
        else:
            return


def end(store: Store, tombstone: Tombstone) -> Tombstone:
    """Send everything to legacy and end an attempt for good.

    Its patch fails only where an opening, another end or a registration came in between, which are few; then
    it is made anew. One that is not taken although nothing has changed is an error.

    Args:
        store: Where the route is.
        tombstone: The attempt, and the words on its tombstone unless it has some.

    Returns:
        The tombstone that it has now.
    """
    refused: deciding.Patch | None = None
    while True:
        route = store.read(tombstone.model)
        patch = deciding.ending(route, tombstone)
        if patch is None:
            return parse(route).tombstone(tombstone.attempt) or tombstone
        try:
            store.patch(tombstone.model, patch)
        except ConflictError:
            continue
        except TurnoutError:
            if patch == refused:
                raise
            refused = patch
