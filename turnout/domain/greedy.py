"""Place one kind after the other, the largest first, each on the cheapest pool that still has room.

What a person would do, and what the joint placement is never worse than: it starts from this answer.
"""

from collections import Counter

from turnout.domain.fit import Size
from turnout.domain.packing import Column, Kind, Packing, Problem, share

_Content = tuple[tuple[int, int], ...]


class _Fleet:
    """Nodes of one pool as they fill up; nodes that are filled alike are counted together."""

    def __init__(self, pool: int, problem: Problem) -> None:
        self._pool, self._problem = pool, problem
        self._empty = problem.nodes[pool]
        self._nodes: Counter[tuple[Size, _Content]] = Counter()
        self._whole: Counter[Column] = Counter()

    def holds(self, index: int) -> int:
        """How many more of an item fit."""
        item = self._problem.items[index]
        if item.hosts > 1:
            return self._empty // item.hosts
        room = self._problem.rooms[self._pool]
        begun = sum(left.times(item.size) * many for (left, _), many in self._nodes.items())
        return begun + self._empty * room.times(item.size)

    def take(self, index: int, many: int) -> None:
        """Put items where they fit: nodes with little left first, then empty ones."""
        item = self._problem.items[index]
        if item.hosts > 1:
            self._empty -= item.hosts * many
            self._whole[Column(self._pool, item.hosts, ((index, 1),))] += many
            return
        begun = sorted(self._nodes.items(), key=lambda one: (one[0][0].milli_cpu, one[0][0].memory_mib))
        for (left, content), nodes in begun:
            if each := left.times(item.size):
                many -= self._fill((left, content), nodes, index, each, many)
        room = self._problem.rooms[self._pool]
        if many:
            self._fill((room, ()), self._empty, index, room.times(item.size), many)

    def _fill(self, node: tuple[Size, _Content], nodes: int, index: int, each: int, many: int) -> int:
        """Fill nodes that are alike with up to `each` items; how many found place."""
        full, rest = divmod(min(many, nodes * each), each)
        left, content = node
        size = self._problem.items[index].size
        for count, times in ((each, full), (rest, 1)):
            if count and times:
                self._nodes[left.minus(size, count), _added(content, index, count)] += times
                self._lessen(node, times)
        return full * each + rest

    def _lessen(self, node: tuple[Size, _Content], times: int) -> None:
        if not node[1]:
            self._empty -= times
            return
        self._nodes[node] -= times
        if not self._nodes[node]:
            del self._nodes[node]

    def columns(self) -> Counter[Column]:
        """The nodes as columns."""
        shared = Counter[Column]()
        for (_, content), many in self._nodes.items():
            shared[Column(self._pool, 1, content)] += many
        return shared + self._whole


def _added(content: _Content, index: int, many: int) -> _Content:
    inside = Counter(dict(content))
    inside[index] += many
    return tuple(sorted(inside.items()))


def greedy(problem: Problem) -> Packing:
    """Place what fits."""
    fleets = [_Fleet(pool, problem) for pool in range(len(problem.rooms))]
    chosen: Counter[tuple[int, int]] = Counter()
    order = sorted(range(len(problem.kinds)), key=lambda number: -_bulk(problem, problem.kinds[number]))
    for number in order:
        left = problem.kinds[number].count
        for place, option in enumerate(problem.kinds[number].options):
            fleet = fleets[problem.items[option.item].pool]
            if many := min(left, fleet.holds(option.item) // option.replicas):
                fleet.take(option.item, many * option.replicas)
                chosen[number, place] += many
                left -= many
    columns = Counter[Column]()
    for fleet in fleets:
        columns.update(fleet.columns())
    return Packing(dict(chosen), dict(columns))


def _bulk(problem: Problem, kind: Kind) -> float:
    """The part of a node that a replica takes where it takes least."""
    items = (problem.items[option.item] for option in kind.options)
    return min((item.hosts * share(item.size, problem.rooms[item.pool]) for item in items), default=0.0)
