"""Workloads of a kind, pools with room, and how pods fill nodes: the joint placement as numbers.

A column is one way to fill one node (or one multi-host slice), so whatever is made of columns has its place:
no sum of cores over a pool is ever taken for room on a node.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from turnout.domain.fit import Size


@dataclass(frozen=True, slots=True)
class Item:
    """A replica as it lies on one pool.

    Attributes:
        pool: Index of the pool.
        size: One host's pod.
        hosts: Whole nodes that it takes, above 1; else it shares a node.
    """

    pool: int
    size: Size
    hosts: int = 1


@dataclass(frozen=True, slots=True)
class Option:
    """One pool that workloads of a kind can go to.

    Attributes:
        item: Index of the item that each replica is there.
        replicas: Replicas of one workload.
        wasteful: They would lie on accelerator nodes without using accelerators.
    """

    item: int
    replicas: int
    wasteful: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """Workloads that are all alike: how many, and where they can go, the cheapest first."""

    count: int
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """The whole estate.

    Attributes:
        rooms: What one node of each pool gives.
        nodes: Nodes of each pool.
        prices: USD an hour for a node of each pool; None: unknown.
        items: Every item of every pool.
        kinds: Every kind of workload.
    """

    rooms: tuple[Size, ...]
    nodes: tuple[int, ...]
    prices: tuple[float | None, ...]
    items: tuple[Item, ...]
    kinds: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One way to fill a node, or the nodes of a slice.

    Attributes:
        pool: Index of the pool.
        nodes: Nodes that it takes.
        items: Index of each item in it, and how many.
    """

    pool: int
    nodes: int
    items: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Packing:
    """An answer.

    Attributes:
        chosen: By kind and option (their indices), how many workloads.
        columns: How often each column is used.
    """

    chosen: Mapping[tuple[int, int], int]
    columns: Mapping[Column, int]

    def cost(self, problem: Problem) -> tuple[int, int, int, float]:
        """What answers are compared by: unplaced, nodes without price, wasteful workloads, USD an hour."""
        placed = sum(self.chosen.values())
        nodes: Counter[int] = Counter()
        for column, times in self.columns.items():
            nodes[column.pool] += column.nodes * times
        wasteful = sum(
            many
            for (kind, option), many in self.chosen.items()
            if problem.kinds[kind].options[option].wasteful
        )
        return (
            sum(kind.count for kind in problem.kinds) - placed,
            sum(many for pool, many in nodes.items() if problem.prices[pool] is None),
            wasteful,
            sum((problem.prices[pool] or 0.0) * many for pool, many in nodes.items()),
        )


def alone(problem: Problem) -> Iterator[Column]:
    """For each item the column of it alone: as many as a node holds, or one where it takes whole nodes."""
    for index, item in enumerate(problem.items):
        if item.hosts > 1:
            yield Column(item.pool, item.hosts, ((index, 1),))
        elif many := problem.rooms[item.pool].times(item.size):
            yield Column(item.pool, 1, ((index, many),))


def filled(room: Size, sizes: Sequence[tuple[int, Size, int]]) -> tuple[tuple[int, int], ...]:
    """Fill one node: of each item in turn as many as fit and are there."""
    inside = []
    for index, size, there in sizes:
        if many := min(there, room.times(size)):
            inside.append((index, many))
            room = room.minus(size, many)
    return tuple(sorted(inside))


def packed(problem: Problem, pool: int, wanted: Mapping[int, int]) -> Counter[Column]:
    """Pack items onto nodes of one pool, the largest first (first-fit decreasing, many at a time)."""
    room = problem.rooms[pool]
    left = Counter({index: many for index, many in wanted.items() if many})
    columns: Counter[Column] = Counter()
    for index in [index for index in left if problem.items[index].hosts > 1]:
        columns[Column(pool, problem.items[index].hosts, ((index, 1),))] += left.pop(index)
    order = sorted(left, key=lambda index: -share(problem.items[index].size, room))
    while left:
        inside = filled(room, [(index, problem.items[index].size, left[index]) for index in order])
        times = min(left[index] // many for index, many in inside)
        columns[Column(pool, 1, inside)] += times
        for index, many in inside:
            left[index] -= many * times
        order = [index for index in order if left[index]]
        left = Counter({index: left[index] for index in order})
    return columns


def coarse(size: Size, room: Size, steps: int) -> Size:
    """What a pod takes, rounded up, but never to more than a node that it fits.

    Args:
        size: Of the pod.
        room: Of the node.
        steps: Sizes between a power of two and the next.
    """
    return Size(
        min(_up(size.milli_cpu, steps), room.milli_cpu),
        min(_up(size.memory_mib, steps), room.memory_mib),
        size.accelerators,
    )


def _up(value: int, steps: int) -> int:
    if value <= steps:
        return value
    step = (1 << (value.bit_length() - 1)) / steps
    return math.ceil(math.ceil(value / step) * step)


def share(size: Size, room: Size) -> float:
    """The largest part of a node's cores, memory, accelerators or pods that a pod takes."""
    pairs = (
        (size.milli_cpu, room.milli_cpu),
        (size.memory_mib, room.memory_mib),
        (size.accelerators, room.accelerators),
        (size.pods, room.pods),
    )
    return max(wanted / there for wanted, there in pairs if wanted)


def every_column(problem: Problem, pool: int, most: int) -> list[Column] | None:
    """Every way to fill a node of a pool to which nothing can be added; None: there are more than `most`."""
    wanted: Counter[int] = Counter()
    for kind in problem.kinds:
        for option in kind.options:
            wanted[option.item] += kind.count * option.replicas
    mine = [index for index, item in enumerate(problem.items) if item.pool == pool]
    shared = [index for index in mine if problem.items[index].hosts == 1]
    if len(shared) > _MOST_SHARED:
        return None
    whole = [Column(pool, problem.items[i].hosts, ((i, 1),)) for i in mine if problem.items[i].hosts > 1]
    found: list[Column] = []
    for tried, (inside, left) in enumerate(_fillings(problem, problem.rooms[pool], shared, wanted)):
        if len(found) > most or tried > most * _TRIES:
            return None
        there = dict(inside)
        if not any(
            left.times(problem.items[index].size) and there.get(index, 0) < wanted[index] for index in shared
        ):
            found.append(Column(pool, 1, inside))
    return whole + [column for column in found if column.items]


_MOST_SHARED = 25
"""Items of a pool beyond which there are always too many fillings to list."""
_TRIES = 5
"""Fillings that are looked at for each one that may be kept."""


def _fillings(
    problem: Problem, room: Size, indices: Sequence[int], wanted: Mapping[int, int]
) -> Iterator[tuple[tuple[tuple[int, int], ...], Size]]:
    """Fillings with what they leave; the last item is always taken as often as it fits."""
    if not indices:
        yield (), room
        return
    index, rest = indices[0], indices[1:]
    size = problem.items[index].size
    most = min(room.times(size), wanted[index])
    for many in range(most, -1, -1) if rest else (most,):
        for others, left in _fillings(problem, room.minus(size, many), rest, wanted):
            yield (((index, many), *others) if many else others), left
