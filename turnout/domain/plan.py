"""Where each model would go, in which wave and why, and what needs an owner's word first; applies nothing."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from turnout.domain.assignment import Assignment
from turnout.domain.blockers import Blocker, blockers
from turnout.domain.calendar import Calendar
from turnout.domain.contract import Contract
from turnout.domain.demand import Demand, demand
from turnout.domain.evidence import digest_of
from turnout.domain.inventory import Inventory
from turnout.domain.joint import Asked, place_all
from turnout.domain.placement import Placement
from turnout.domain.pools import Pool
from turnout.domain.risk import risk
from turnout.domain.room import Room, pool_room
from turnout.domain.targets import TargetRuntime, bridge, spoken, way
from turnout.domain.waves import Wave, key, waves
from turnout.domain.weights import Weights
from turnout.domain.workload import Workload


class PlanLine(BaseModel):
    """What is planned for one workload.

    Attributes:
        model: Its name.
        namespace: Its namespace.
        framework: Its framework.
        owner: Who answers for it; None: unknown.
        wave: From 1; models of a wave may move at the same time.
        day: Day of the wave; None: waves have no days.
        runtime: Where it goes; None: nowhere.
        bridge: What translates for its clients, where that is needed.
        placement: The pool, the runner-up, and why not the others.
        risk: Points of migration risk.
        reasons: Why, one line each.
        blockers: What stands in the way; none: the migration may start.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    namespace: str
    framework: str
    owner: str | None = None
    wave: int
    day: dt.date | None = None
    runtime: TargetRuntime | None
    bridge: TargetRuntime | None
    placement: Placement | None
    risk: int
    reasons: tuple[str, ...]
    blockers: tuple[Blocker, ...]

    @property
    def name(self) -> str:
        """`namespace/model`."""
        return f"{self.namespace}/{self.model}"

    @property
    def digest(self) -> str:
        """Digest of the line; an attempt names the line that it carries out by it."""
        return digest_of(self.model_dump(mode="json"))


class Plan(BaseModel):
    """Lines in the order of their waves, and what they come to together.

    Attributes:
        lines: A line a workload.
        assignments: What goes where, for those that a pool has room for.
        room: How full each pool is after each wave.
        price_per_hour_usd: Price of all nodes that have one.
        unpriced: Pools that are used and have no known price.
        statement: How good the joint placement is: proven to be the cheapest, or how far from it at most.
        unread: What could not be read and so is in no line, one line each.
    """

    model_config = ConfigDict(frozen=True)

    lines: tuple[PlanLine, ...]
    assignments: tuple[Assignment, ...] = ()
    room: tuple[Room, ...] = ()
    price_per_hour_usd: float = 0.0
    unpriced: tuple[str, ...] = ()
    statement: str = ""
    unread: tuple[str, ...] = ()

    def line(self, model: str) -> PlanLine | None:
        """The line of a model, or None."""
        return next((line for line in self.lines if line.model == model), None)

    def assignment(self, model: str) -> Assignment | None:
        """Where a model's replicas go, or None."""
        line = self.line(model)
        key_of = (line.namespace, line.model) if line else None
        return next((one for one in self.assignments if (one.namespace, one.model) == key_of), None)

    @property
    def price_words(self) -> str:
        """The price of the whole for people; what is unknown is named."""
        known = f"{self.price_per_hour_usd:,.2f} USD an hour"
        return f"{known}, without {', '.join(self.unpriced)}: unknown" if self.unpriced else known

    def document(self) -> str:
        """The plan as JSON, each line with its digest; read again by the type itself."""
        lines = [line.model_dump(mode="json") | {"digest": line.digest} for line in self.lines]
        return json.dumps(self.model_dump(mode="json") | {"lines": lines}, indent=2)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a plan is made under, beside the estate and the pools.

    Attributes:
        contracts: Contracts by model; a workload without one is blocked.
        calendar: When waves may move.
        weights: What counts for risk.
    """

    contracts: Mapping[str, Contract] = field(default_factory=dict)
    calendar: Calendar = field(default_factory=Calendar)
    weights: Weights = field(default_factory=Weights)


def plan(inventory: Inventory, pools: tuple[Pool, ...], terms: Terms) -> Plan:
    """Plan an estate: all workloads are placed together, for they share the pools' room."""
    workloads, twins = _each_once(inventory.workloads)
    asked = {key(found): one for found in workloads if (one := _asked(found))}
    together = place_all(tuple(asked.values()), pools)
    when = waves(workloads, terms.calendar, terms.weights)
    lines = [
        _line(found, asked.get(key(found)), together.placements.get(key(found)), when[key(found)], terms)
        for found in workloads
    ]
    return Plan(
        lines=tuple(sorted(lines, key=lambda line: (line.wave, line.risk, line.namespace, line.model))),
        assignments=together.assignments,
        room=pool_room(together.assignments, {one: wave.number for one, wave in when.items()}, pools),
        price_per_hour_usd=together.price_per_hour_usd,
        unpriced=together.unpriced,
        statement=together.statement,
        unread=(*(str(problem.error()) for problem in inventory.problems), *twins),
    )


def _each_once(workloads: tuple[Workload, ...]) -> tuple[tuple[Workload, ...], tuple[str, ...]]:
    """The workloads with one for each namespace and name, and words about the others."""
    first: dict[tuple[str, str], Workload] = {}
    for found in workloads:
        first.setdefault(key(found), found)
    twins = tuple(
        f"{found.source}: {found.kind} {'/'.join(key(found))} has the name of another workload in "
        f"{first[key(found)].source}; only that one is planned."
        for found in workloads
        if first[key(found)] is not found
    )
    return tuple(first.values()), twins


def _asked(found: Workload) -> Asked | None:
    runtime = way(found).runtime
    return Asked(key=key(found), runtime=runtime, demand=demand(found)) if runtime else None


def _line(
    found: Workload, asked: Asked | None, placement: Placement | None, wave: Wave, terms: Terms
) -> PlanLine:
    how = way(found)
    contract = terms.contracts.get(found.name)
    in_front = bridge(how.runtime, spoken(found, contract))
    needs = asked.demand if asked else None
    reasons = (how.how, *_bridge_reason(in_front), *_pool_reasons(placement, needs), wave.reason)
    return PlanLine(
        model=found.name,
        namespace=found.namespace,
        framework=found.framework,
        owner=found.owner,
        wave=wave.number,
        day=terms.calendar.day(wave.number),
        runtime=how.runtime,
        bridge=in_front,
        placement=placement,
        risk=risk(found, terms.weights).points,
        reasons=reasons,
        blockers=blockers(found, contract, how, placement, wave),
    )


def _bridge_reason(in_front: TargetRuntime | None) -> tuple[str, ...]:
    return (
        ("its clients speak V1 and Triton speaks V2: a bridge on Ray Serve translates",) if in_front else ()
    )


def _pool_reasons(placement: Placement | None, needs: Demand | None) -> tuple[str, ...]:
    if placement is None or placement.best is None or needs is None:
        return ()
    best = placement.best
    price = best.price_per_hour_usd
    cost = "its price is unknown" if price is None else f"{price:.4g} USD an hour for all replicas"
    rival = f"; the runner-up is {placement.runner_up.pool}" if placement.runner_up else ""
    room = f"; {', '.join(placement.taken)} would be cheaper and is taken" if placement.taken else ""
    unknown = f"unknown, and so not held against any pool: {', '.join(needs.unknown)}"
    chosen = f"pool {best.pool}: {cost}{rival}{room}"
    return (chosen, *needs.basis, *best.assumed, *((unknown,) if needs.unknown else ()))
