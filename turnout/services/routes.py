"""The routes of all models as they are now, read anew only where a file of theirs has changed.

Both programs ask every second for every model; most routes stand still for days, and reading costs a parse.
"""

import logging
import os
import random
import time
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from turnout.domain.errors import TurnoutError
from turnout.domain.route import Route, Router
from turnout.fabric.router.directory import DOCUMENT
from turnout.fabric.state import State

READ_ANYWAY_SECONDS = 30.0
"""A route is read again within this time even when no file seems to have changed."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    mark: tuple[int, ...]
    read_again_at_seconds: float
    route: Route


class Source(Protocol):
    """Tells all routes as they are."""

    def now(self) -> dict[str, Route]:
        """Every model's route; one that cannot be read is left out."""


@runtime_checkable
class Lister(Protocol):
    """A router that tells all its routes in one call."""

    def all_routes(self) -> dict[str, Route]:
        """The routes of all registered models."""


def source(state: State, router: Router) -> Source:
    """Where the routes are read: at the router itself, or in its files."""
    return Listed(router) if isinstance(router, Lister) else Routes(state, router)


class Listed:
    """All routes, asked of a router that tells them in one call: of the API server, where it is a Gateway.

    Args:
        router: The router.
    """

    def __init__(self, router: Lister) -> None:
        """Keep whom to ask."""
        self._router = router

    def now(self) -> dict[str, Route]:
        """See `Source.now`; none where there is no answer."""
        try:
            return self._router.all_routes()
        except TurnoutError as error:
            _log.warning("routes: %s", error)
            return {}


class Routes:
    """All routes, as their files have them.

    Args:
        state: Where the router's files are.
        router: Reads a route.
    """

    def __init__(self, state: State, router: Router) -> None:
        """Begin with nothing known."""
        self._folder = state.routes
        self._router = router
        self._known: dict[str, _Known] = {}

    def now(self) -> dict[str, Route]:
        """Every model's route; one that cannot be read is left out, so that nobody acts on what it was."""
        routes = {}
        for model in self._models():
            try:
                routes[model] = self._route(model)
            except (TurnoutError, OSError) as error:
                self._known.pop(model, None)
                _log.warning("route of %s: %s", model, error)
        return routes

    def _models(self) -> list[str]:
        try:
            return sorted(entry.name for entry in os.scandir(self._folder) if entry.is_dir())
        except FileNotFoundError:
            return []

    def _route(self, model: str) -> Route:
        now, mark = time.monotonic(), self._mark(model)
        known = self._known.get(model)
        if known and known.mark == mark and now < known.read_again_at_seconds:
            return known.route
        # The mark is older than what is read: a change in between is seen as a change the next time.
        route = self._router.read(model)
        # Not all of them in the same round.
        again = now + random.uniform(0.5, 1.0) * READ_ANYWAY_SECONDS  # noqa: S311 -- not a secret
        self._known[model] = _Known(mark, again, route)
        return route

    def _mark(self, model: str) -> tuple[int, ...]:
        """What changes with the route: the folder that `current` points to, and what was renamed in it.

        Two looks at the disk and no more: every change of a route is a rename (`RouteDirectory`). The time of
        the folder tells of its other files; the document is told by its inode too, as two renames may fall
        into one tick of the file system's clock.
        """
        current = f"{self._folder}/{model}/current"  # text: a Path costs more than the look at the disk
        folder, document = os.stat(current), os.stat(f"{current}/{DOCUMENT}")  # noqa: PTH116
        return (folder.st_ino, folder.st_mtime_ns, document.st_ino, document.st_mtime_ns, document.st_size)
