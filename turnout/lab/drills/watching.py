"""What the lab shows while a fault lasts and after it: the route, its servers, its clients, its evidence."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from turnout.domain.errors import TurnoutError
from turnout.domain.requests import Arm, RequestRecord
from turnout.domain.route import Route
from turnout.fabric.processes import known
from turnout.fabric.telemetry import Cursor
from turnout.lab.drills.observed import Evidence, Request, Seen
from turnout.wiring.migrating import Wiring


@dataclass
class RouteLog:
    """A model's route as it was seen: before the fault, and whenever it looked different."""

    model: str
    began: float
    seen: list[Seen]

    @classmethod
    def of(cls, before: Route, began: float) -> "RouteLog":
        """Begin with the route before the fault."""
        first = Seen(after_seconds=-0.01, attempt=before.attempt, weight=before.weight)
        return cls(before.model, began, [first])

    def look(self, wiring: Wiring) -> None:
        """Look once; a route that cannot be read now is left for the next look."""
        try:
            route = wiring.router.read(self.model)
        except (TurnoutError, OSError):
            return
        after = round(time.time() - self.began, 2)
        now = Seen(after_seconds=after, attempt=route.attempt, weight=route.weight)
        if (self.seen[-1].attempt, self.seen[-1].weight) != (now.attempt, now.weight):
            self.seen.append(now)

    def gone(self, attempt: str) -> bool:
        """Whether an attempt is no longer the live one."""
        return self.seen[-1].attempt != attempt


def not_ready(wiring: Wiring, names: Iterable[str] | None = None) -> list[str]:
    """The servers that should run and do not answer."""
    wanted = known(wiring.state) if names is None else names
    return [name for name in wanted if wiring.servers.status(name).state != "ready"]


@dataclass(frozen=True)
class Clients:
    """All requests of a model's clients, as the clients recorded them."""

    model: str
    records: list[dict[str, Any]]

    @classmethod
    def read(cls, wiring: Wiring, model: str) -> "Clients":
        """Read the journal; a line that is being written is left out."""
        file = wiring.state.client(model)
        lines = file.read_text().split("\n")[:-1] if file.is_file() else []
        return cls(model, [json.loads(line) for line in lines])

    def failures(self) -> list[Request]:
        """Those that failed."""
        return [
            Request(
                model=self.model,
                sent_seconds=one["sent"],
                finished_seconds=one["finished"],
                error=str(one["error"]),
            )
            for one in self.records
            if not one["ok"]
        ]

    def within(self, began: float, ended: float) -> int:
        """How many were under way between two moments."""
        return sum(one["sent"] <= ended and one["finished"] >= began for one in self.records)


class Requests:
    """A model's requests as the router records them, gathered as its log grows: an old log is put away.

    Args:
        wiring: The lab's adapters.
        model: The model.
    """

    def __init__(self, wiring: Wiring, model: str) -> None:
        """Begin at the start of the log."""
        self._telemetry, self._model = wiring.telemetry, model
        self._cursor: Cursor | None = None
        self.records: list[RequestRecord] = []

    def gather(self) -> None:
        """Read what is new; a read gives a part of a long log."""
        found, self._cursor = self._telemetry.read(self._model, self._cursor)
        while found:
            self.records += found
            found, self._cursor = self._telemetry.read(self._model, self._cursor)


def served_by_candidate(records: Iterable[RequestRecord]) -> list[float]:
    """Starts of the requests that the candidate answered, Unix time."""
    return [one.started_seconds for one in records if one.answered_by is Arm.CANDIDATE]


def ended(records: Iterable[RequestRecord]) -> list[float]:
    """Starts of the requests that were answered at all."""
    return [one.started_seconds for one in records if one.duration_seconds is not None]


def digests(wiring: Wiring, model: str) -> frozenset[str]:
    """Digests of all the evidence about a model, each record read and checked."""
    return frozenset(one.digest for one in wiring.evidence.history(model))


def evidence(wiring: Wiring, model: str, before: frozenset[str]) -> Evidence:
    """Hold the evidence about a model against what was known before."""
    try:
        now = digests(wiring, model)
    except TurnoutError as error:
        return Evidence(before=len(before), kept=0, fault=str(error))
    return Evidence(before=len(before), kept=len(before & now))
