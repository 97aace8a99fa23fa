"""Place all workloads of an estate together, where pools have limited room.

Workloads that are alike are counted together, so that ten thousand are a matter of seconds; where too many
differ, sizes are rounded up (never down) until fewer do.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from turnout.domain.assignment import Assignment
from turnout.domain.demand import Demand
from turnout.domain.fit import Size, room_of
from turnout.domain.joint_solver import Answer, solve
from turnout.domain.packing import Item, Kind, Option, Problem, coarse, share
from turnout.domain.placement import Offer, Placement, offers
from turnout.domain.pools import Pool
from turnout.domain.targets import TargetRuntime

Key = tuple[str, str]
"""Namespace and name."""

MOST_KINDS = 400
"""Above it sizes are rounded up: HiGHS takes some thousand variables in seconds."""
_STEPS = (32, 16, 8, 4, 2, 1)
"""Sizes between a power of two and the next, finer to coarser, that are rounded up to."""

_MILLI, _MIB = 1000, 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """One workload that wants a place."""

    key: Key
    runtime: TargetRuntime
    demand: Demand


@dataclass(frozen=True, slots=True)
class Together:
    """Where everything goes.

    Attributes:
        placements: By workload.
        assignments: Of those that have a place, the bulkiest first: pods that are made in this order find it.
        nodes: Nodes in use, by pool.
        price_per_hour_usd: Price of the nodes in use, as far as prices are known.
        unpriced: Names of pools in use whose price is unknown.
        bound_usd: Nothing that places as many workloads costs less, in USD an hour.
        proven: The price is the least there is.
        statement: All that in a sentence.
    """

    placements: dict[Key, Placement]
    assignments: tuple[Assignment, ...]
    nodes: dict[str, int]
    price_per_hour_usd: float
    unpriced: tuple[str, ...]
    bound_usd: float
    proven: bool
    statement: str


_Signature = tuple[tuple[str, Size, int, int], ...]
"""By pool, cheapest first: what a host's pod takes, hosts, replicas."""


def _taken(offer: Offer) -> Size:
    return Size(offer.milli_cpu, offer.memory_mib, offer.accelerators)


@dataclass(slots=True)
class _Alike:
    """Workloads with the same offers."""

    offers: list[Offer]
    refused: dict[str, str]
    takes: _Signature = ()
    keys: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.takes = tuple((offer.pool, _taken(offer), offer.hosts, offer.replicas) for offer in self.offers)


def place_all(asked: Sequence[Asked], pools: tuple[Pool, ...], *, seconds: float = 10.0) -> Together:
    """Find the cheapest places for all; as many as possible have one.

    Args:
        asked: The workloads; their keys are unique.
        pools: Where they can go.
        seconds: Time after which the best answer so far is taken, and said to be no more than that.
    """
    alike = _alike(asked, pools)
    kinds, rounded = _kinds(alike, pools)
    problem = _problem(kinds, pools)
    least = _problem(kinds, pools, rounded=False) if rounded else None
    members = [_members(groups) for groups in kinds.values()]
    answer = solve(problem, seconds=seconds, least=least)
    where = dict(_where(answer, problem, members, pools))
    placements = {one.key: _placement(group, where.get(one.key)) for group in alike for one in group.keys}
    return _told(asked, pools, answer, problem, placements, rounded=rounded)


def _alike(asked: Iterable[Asked], pools: tuple[Pool, ...]) -> list[_Alike]:
    found: dict[tuple[TargetRuntime, Demand], _Alike] = {}
    for one in asked:
        plain = _plain(one.demand)
        if (group := found.get((one.runtime, plain))) is None:
            group = found[one.runtime, plain] = _Alike(*offers(plain, one.runtime, pools))
        group.keys.append(one)
    return list(found.values())


def _plain(demand: Demand) -> Demand:
    """A demand without its words: what is alike must look alike."""
    model = replace(demand.model, basis=(), unknown=()) if demand.model else None
    return replace(demand, basis=(), unknown=(), model=model)


def _kinds(alike: Sequence[_Alike], pools: tuple[Pool, ...]) -> tuple[dict[_Signature, list[_Alike]], bool]:
    """Group what takes the same of the same pools; with sizes rounded up, as little as is needed."""
    rooms = {pool.name: room_of(pool) for pool in pools}
    kinds: dict[_Signature, list[_Alike]] = {}
    for steps in (0, *_STEPS):
        kinds = defaultdict(list)
        for group in alike:
            kinds[_signature(group.takes, rooms, steps)].append(group)
        if len(kinds) <= MOST_KINDS:
            return kinds, steps > 0
    return kinds, True


def _signature(takes: _Signature, rooms: Mapping[str, Size], steps: int) -> _Signature:
    if not steps:
        return takes
    return tuple(
        (pool, coarse(size, rooms[pool], steps), hosts, replicas) for pool, size, hosts, replicas in takes
    )


def _problem(
    kinds: Mapping[_Signature, Sequence[_Alike]], pools: tuple[Pool, ...], *, rounded: bool = True
) -> Problem:
    """The estate as numbers; not rounded, each kind is as small as its smallest workload."""
    numbers = {pool.name: number for number, pool in enumerate(pools)}
    items: dict[Item, int] = {}
    built: list[Kind] = []
    for signature, groups in kinds.items():
        options = []
        for name, size, hosts, replicas in signature if rounded else _smallest(groups):
            index = items.setdefault(Item(numbers[name], size, hosts), len(items))
            wasteful = pools[numbers[name]].kind is not None and not size.accelerators
            options.append(Option(index, replicas, wasteful))
        built.append(Kind(sum(len(group.keys) for group in groups), tuple(options)))
    return Problem(
        rooms=tuple(room_of(pool) for pool in pools),
        nodes=tuple(pool.nodes for pool in pools),
        prices=tuple(pool.price_per_hour_usd for pool in pools),
        items=tuple(items),
        kinds=tuple(built),
    )


def _smallest(groups: Sequence[_Alike]) -> _Signature:
    """Pool by pool the least that any of the groups takes."""
    found = []
    for same in zip(*(group.takes for group in groups), strict=True):
        pool, size, hosts, replicas = same[0]
        cpu, memory = (min(getattr(one[1], part) for one in same) for part in ("milli_cpu", "memory_mib"))
        found.append((pool, Size(cpu, memory, size.accelerators), hosts, replicas))
    return tuple(found)


def _members(groups: Sequence[_Alike]) -> list[Asked]:
    return sorted((one for group in groups for one in group.keys), key=lambda one: one.key)


def _where(
    answer: Answer, problem: Problem, members: Sequence[Sequence[Asked]], pools: tuple[Pool, ...]
) -> Iterable[tuple[Key, str]]:
    """By workload its pool; among equals the first by name go to the option that is cheapest."""
    for number, kind in enumerate(problem.kinds):
        left = iter(members[number])
        for place, option in enumerate(kind.options):
            for _ in range(answer.packing.chosen.get((number, place), 0)):
                yield next(left).key, pools[problem.items[option.item].pool].name


def _placement(group: _Alike, pool: str | None) -> Placement:
    names = [offer.pool for offer in group.offers]
    at = names.index(pool) if pool else len(names)
    others = [offer for offer in group.offers if offer.pool != pool]
    return Placement(
        best=group.offers[at] if pool else None,
        runner_up=others[0] if pool and others else None,
        dearer=tuple(names[at + 1 :]),
        taken=tuple(names[:at]),
        refused=group.refused,
    )


def _told(
    asked: Sequence[Asked],
    pools: tuple[Pool, ...],
    answer: Answer,
    problem: Problem,
    placements: dict[Key, Placement],
    *,
    rounded: bool,
) -> Together:
    nodes: Counter[str] = Counter()
    for column, times in answer.packing.columns.items():
        nodes[pools[column.pool].name] += column.nodes * times
    unplaced, _, _, price = answer.packing.cost(problem)
    unpriced = tuple(pool.name for pool in pools if pool.price_per_hour_usd is None and nodes[pool.name])
    proven = answer.proven and not rounded
    return Together(
        placements=placements,
        assignments=_assignments(asked, placements, pools),
        nodes=dict(nodes),
        price_per_hour_usd=price,
        unpriced=unpriced,
        bound_usd=answer.bound_usd,
        proven=proven,
        statement=_statement(unplaced, price, unpriced, answer.bound_usd, proven=proven, rounded=rounded),
    )


def _statement(
    unplaced: int, price: float, unpriced: tuple[str, ...], bound: float, *, proven: bool, rounded: bool
) -> str:
    known = f", and nodes of unknown price in {', '.join(unpriced)}" if unpriced else ""
    homeless = f"; {unplaced} workloads have no place" if unplaced else ""
    unproved = f"not proved to be the cheapest: none that places as many costs less than {bound:.4g}"
    if proven:
        sure = "no placement is cheaper (proved)"
    elif rounded:
        sure = f"{unproved} (so many sizes differ that they were rounded up)"
    else:
        sure = unproved
    return f"{price:.4g} USD an hour for the nodes in use{known}{homeless}; {sure}"


def _assignments(
    asked: Sequence[Asked], placements: Mapping[Key, Placement], pools: tuple[Pool, ...]
) -> tuple[Assignment, ...]:
    """The bulkiest first: a scheduler that spreads small pods first leaves no node whole for a large one."""
    rooms = {pool.name: room_of(pool) for pool in pools}
    found: list[tuple[float, Assignment]] = []
    for one in asked:
        best = placements[one.key].best
        if best is None:
            continue
        assignment = Assignment(
            model=one.key[1],
            namespace=one.key[0],
            runtime=one.runtime,
            pool=best.pool,
            replicas=best.replicas,
            cpu=best.milli_cpu / _MILLI,
            memory_gib=best.memory_mib / _MIB,
            accelerators=best.accelerators,
            hosts=best.hosts,
        )
        found.append((best.hosts * share(_taken(best), rooms[best.pool]), assignment))
    found.sort(key=lambda pair: (-pair[0], pair[1].namespace, pair[1].model))
    return tuple(assignment for _, assignment in found)
