"""The joint placement as an integer program, solved by HiGHS: which columns, and which kind goes where.

Ends are met one after the other: as many workloads as possible, then as few nodes of unknown price, then no
accelerator nodes for those that use none, then the least money. Where every column is known the answer is
exact; else it is the best of those that were tried, beside a bound that no answer goes below.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from scipy.optimize import linprog

from turnout.domain.greedy import greedy
from turnout.domain.joint_program import CLOSE, Cells, Program, matrix
from turnout.domain.packing import Column, Packing, Problem, alone, every_column, packed

MOST_COLUMNS = 2_000
"""Above it a pool's columns are not all listed; HiGHS takes some thousands in seconds."""
_MONEY = 3
"""The last end."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with what is known about it.

    Attributes:
        packing: The answer.
        bound_usd: No answer that places as many costs less, in USD an hour.
        proven: It is the cheapest there is.
        seconds: Time that it took.
    """

    packing: Packing
    bound_usd: float
    proven: bool
    seconds: float


def solve(
    problem: Problem,
    *,
    seconds: float,
    least: Problem | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Answer:
    """Place an estate.

    Args:
        problem: The estate.
        seconds: Time after which the best answer so far is taken.
        least: The estate with no size rounded up, which the bound is about; the same without it.
        clock: Monotonic, in seconds.
    """
    began = clock()
    first = greedy(problem)
    columns, complete = _columns(problem, first)
    best, settled = _better(problem, columns, first, began + seconds, clock)
    *ends, price = best.cost(problem)
    exact = settled and complete and least is None
    bound = price if exact else _bound(least or problem, best)
    proven = exact or (not any(ends) and price <= bound + CLOSE * max(1.0, price))
    return Answer(best, min(bound, price), proven, clock() - began)


def _columns(problem: Problem, first: Packing) -> tuple[list[Column], bool]:
    """Every column where they can be listed; else some of each sort, always those of the first answer."""
    found: dict[Column, None] = dict.fromkeys(first.columns)
    complete = True
    for pool in range(len(problem.rooms)):
        every = every_column(problem, pool, MOST_COLUMNS)
        complete = complete and every is not None
        found.update(dict.fromkeys(every or ()))
    if not complete:
        found.update(dict.fromkeys(alone(problem)))
        found.update(dict.fromkeys(_mixed(problem)))
    return list(found), complete


def _mixed(problem: Problem) -> Iterable[Column]:
    """Columns of a packing where each kind goes wholly to its first option, its second, and so on."""
    for place in range(max((len(kind.options) for kind in problem.kinds), default=0)):
        wanted: dict[int, Counter[int]] = {}
        for kind in problem.kinds:
            if kind.options:
                option = kind.options[min(place, len(kind.options) - 1)]
                pool = problem.items[option.item].pool
                wanted.setdefault(pool, Counter())[option.item] += option.replicas * kind.count
        for pool, items in wanted.items():
            yield from packed(problem, pool, items)


def _better(
    problem: Problem, columns: Sequence[Column], first: Packing, until: float, clock: Callable[[], float]
) -> tuple[Packing, bool]:
    """Meet one end after the other, each in half of the time that is left. Whether all were met."""
    program, best, settled = Program(problem, columns), first, True
    for end, goal in enumerate(program.ends()):
        reached = best.cost(problem)[end]
        if not goal.any() or reached <= 0:
            program.hold(goal, 0.0)
            continue
        found = program.run(goal, max(0.1, (until - clock()) / (1 if end == _MONEY else 2)))
        if found is not None and found[0].cost(problem) < best.cost(problem):
            best = found[0]
        settled = settled and found is not None and found[1]
        program.hold(goal, best.cost(problem)[end])
    return best, settled


def _bound(problem: Problem, best: Packing) -> float:
    """What the cheapest answer costs at least, were nodes and pods divisible (a linear relaxation)."""
    options = [(kind, option) for kind in problem.kinds for option in kind.options]
    pools, base = len(problem.rooms), len(options)
    cells: Cells = []
    number = 0
    for row, kind in enumerate(problem.kinds):
        for option in kind.options:
            item = problem.items[option.item]
            cells.append((row, number, -1.0))
            cells += [
                (len(problem.kinds) + item.pool * 4 + part, number, part_of * option.replicas)
                for part, part_of in enumerate(_parts(problem, item.pool, option.item))
            ]
            number += 1
    cells += [
        (len(problem.kinds) + row, base + row // 4, -1.0)
        for row in range(pools * 4)  # four sorts of room
    ]
    placed = Counter[int]()
    for (row, _), many in best.chosen.items():
        placed[row] += many
    limits = [-float(placed[row]) for row in range(len(problem.kinds))] + [0.0] * (pools * 4)
    prices = [0.0] * base + [price or 0.0 for price in problem.prices]
    result = linprog(
        prices,
        A_ub=matrix(cells, (len(limits), base + pools)),
        b_ub=limits,
        bounds=[(0, None)] * base + [(0, nodes) for nodes in problem.nodes],
        method="highs",
    )
    return float(result.fun) if result.status == 0 else 0.0


def _parts(problem: Problem, pool: int, index: int) -> tuple[float, float, float, float]:
    """Parts of a node that an item takes, of each sort of room."""
    item, room = problem.items[index], problem.rooms[pool]
    if item.hosts > 1:
        return (float(item.hosts),) * 4
    return (
        item.size.milli_cpu / room.milli_cpu,
        item.size.memory_mib / room.memory_mib,
        item.size.accelerators / room.accelerators if item.size.accelerators else 0.0,
        item.size.pods / room.pods,
    )
