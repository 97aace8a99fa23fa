"""The shadow service as a whole: captures go to their file and, while an attempt is live, to its lane."""

import asyncio
import logging
from collections.abc import Callable

import aiohttp

from turnout.domain.requests import ComparisonRecord
from turnout.domain.route import Route
from turnout.services.contracts import Contracts
from turnout.services.routes import Source
from turnout.services.shadow.caller import Caller
from turnout.services.shadow.captures import Captures
from turnout.services.shadow.comparisons import Comparisons
from turnout.services.shadow.exchange import Exchange
from turnout.services.shadow.lane import Lane
from turnout.services.shadow.sentinel_word import healthy
from turnout.services.shadow.tally import Tally
from turnout.services.shadow.target import target

LOOK_SECONDS = 1.0
"""How often routes, contracts and the sentinel's word are looked at."""

_log = logging.getLogger(__name__)


class Shadow:
    """Keeps captures and compares replays.

    Args:
        routes: The routes of all models.
        contracts: The owners' contracts.
        sentinel: URL of the sentinel.
        session: The HTTP session to call servers and the sentinel with.
        captures: Takes captured exchanges.
        comparisons: Takes comparisons.
        tally: Counts what happened to each exchange.
    """

    def __init__(
        self,
        *,
        routes: Source,
        contracts: Contracts,
        sentinel: str,
        session: aiohttp.ClientSession,
        captures: Captures,
        comparisons: Comparisons,
        tally: Tally,
    ) -> None:
        """Begin with no live attempt known."""
        self._routes = routes
        self._contracts = contracts
        self._sentinel = sentinel
        self._session = session
        self._captures = captures
        self._comparisons = comparisons
        self._tally = tally
        self._lanes: dict[str, Lane] = {}

    def captured(self, exchange: Exchange) -> None:
        """Take one captured exchange."""
        model = exchange.origin.model
        self._written(model, "captured", lambda: self._captures.keep(exchange))
        self._lane(model).offer(exchange)

    def dropped(self, model: str, reason: str) -> None:
        """Take word of an exchange that was not captured."""
        self._tally.count(model, reason)

    async def run(self) -> None:
        """Look at the routes every second, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Aim each lane at its model's live attempt."""
        routes = await asyncio.to_thread(self._routes.now)
        models = sorted(routes.keys() | self._lanes.keys())
        await asyncio.gather(*(self._aim(model, routes.get(model)) for model in models))
        self._written("", "counts", self._tally.write)

    async def close(self) -> None:
        """End all replays."""
        await asyncio.gather(*(lane.close() for lane in self._lanes.values()))
        self._written("", "counts", self._tally.write)

    async def _aim(self, model: str, route: Route | None) -> None:
        if route is None or route.attempt is None:
            self._lane(model).aim(None)
            return
        word = await healthy(self._session, self._sentinel, route.attempt)
        self._lane(model).aim(target(route, self._contracts.of(model), healthy=word))

    def _lane(self, model: str) -> Lane:
        if model not in self._lanes:
            self._lanes[model] = Lane(
                Caller(self._session), self._compared, lambda what: self._tally.count(model, what)
            )
        return self._lanes[model]

    def _compared(self, record: ComparisonRecord) -> None:
        self._written(record.model, "compared", lambda: self._comparisons.append(record))

    def _written(self, model: str, what: str, write: Callable[[], object]) -> None:
        """Write something; a full disk costs that line, is counted, and does not end the service."""
        try:
            write()
        except OSError as error:
            _log.warning("%s of %s not written: %s", what, model or "all models", error)
            what = f"{what}, but not written"
        if model:
            self._tally.count(model, what)
