"""How full each pool gets, wave after wave."""

from collections.abc import Iterable, Iterator, Mapping

from pydantic import BaseModel, ConfigDict

from turnout.domain.assignment import Assignment
from turnout.domain.fit import room_of, size_of
from turnout.domain.packing import Item, Problem, coarse, packed
from turnout.domain.pools import Pool

Key = tuple[str, str]
"""Namespace and name."""


_STEPS = 8
"""Sizes are rounded up to an eighth of a power of two for counting: thousands differ in a large estate."""

_PARTS = {"cores": "milli_cpu", "memory": "memory_mib", "accelerators": "accelerators", "pods": "pods"}


class Room(BaseModel):
    """A pool after a wave.

    Attributes:
        pool: Its name.
        wave: From 1.
        nodes: Nodes that the workloads of this wave and of all before it need.
        most: Nodes that the pool may have.
        share: How full the pool is, in [0, 1], by what is scarcest: cores, memory, accelerators or pods.
        scarcest: Which that is.
    """

    model_config = ConfigDict(frozen=True)

    pool: str
    wave: int
    nodes: int
    most: int
    share: float
    scarcest: str


def pool_room(
    assignments: Iterable[Assignment], waves: Mapping[Key, int], pools: Iterable[Pool]
) -> tuple[Room, ...]:
    """Add the waves up.

    Nodes are counted by packing pods onto them, the largest first, with
    sizes rounded up, so a wave may be said to need more nodes than the joint placement takes.

    Args:
        assignments: Where workloads go; those without a wave are left out.
        waves: Wave of each workload, by namespace and name.
        pools: Every pool.

    Returns:
        One record for each pool and wave, from the first wave to the last.
    """
    found = list(assignments)
    last = max((waves.get((one.namespace, one.model), 0) for one in found), default=0)
    return tuple(room for pool in pools for room in _filling(pool, _by_wave(pool, found, waves), last))


def _by_wave(
    pool: Pool, assignments: Iterable[Assignment], waves: Mapping[Key, int]
) -> dict[int, list[Assignment]]:
    found: dict[int, list[Assignment]] = {}
    for one in assignments:
        if one.pool == pool.name and (one.namespace, one.model) in waves:
            found.setdefault(waves[one.namespace, one.model], []).append(one)
    return found


def _filling(pool: Pool, moving: Mapping[int, list[Assignment]], last: int) -> Iterator[Room]:
    inside: list[Assignment] = []
    room = _room(pool, 1, inside)
    for wave in range(1, last + 1):
        if wave in moving:
            inside += moving[wave]
            room = _room(pool, wave, inside)
        yield room.model_copy(update={"wave": wave})


def _room(pool: Pool, wave: int, inside: list[Assignment]) -> Room:
    share, scarcest = _fullest(pool, inside)
    return Room(
        pool=pool.name,
        wave=wave,
        nodes=min(pool.nodes, _nodes(pool, inside)),
        most=pool.nodes,
        share=share,
        scarcest=scarcest,
    )


def _nodes(pool: Pool, inside: list[Assignment]) -> int:
    room = room_of(pool)
    items: dict[Item, int] = {}
    for one in inside:
        item = Item(0, coarse(size_of(one), room, _STEPS), one.hosts)
        items[item] = items.get(item, 0) + one.replicas
    problem = Problem((room,), (pool.nodes,), (None,), tuple(items), ())
    return sum(
        column.nodes * times for column, times in packed(problem, 0, dict(enumerate(items.values()))).items()
    )


def _fullest(pool: Pool, inside: list[Assignment]) -> tuple[float, str]:
    """The scarcest part; a replica of several hosts takes them whole, in every part."""
    room = room_of(pool)
    whole = sum(one.hosts * one.replicas for one in inside if one.hosts > 1)
    shared = [(size_of(one), one.replicas) for one in inside if one.hosts == 1]
    shares = [
        ((whole + sum(getattr(size, part) * many for size, many in shared) / there) / pool.nodes, name)
        for name, part in _PARTS.items()
        if (there := getattr(room, part))
    ]
    share, scarcest = max(shares)
    return min(1.0, share), scarcest
