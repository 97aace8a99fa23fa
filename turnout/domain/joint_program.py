"""The integer program behind the joint placement: its variables, its rules, and how an answer is read off."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_matrix, csr_matrix

from turnout.domain.packing import Column, Packing, Problem

CLOSE = 1e-6
"""Relative difference that is none."""

Cells = list[tuple[int, int, float]]
"""Row, column and value of the cells that are not zero."""


class Program:
    """Variables: how many workloads take each option, how many of a kind take none, how often each column."""

    def __init__(self, problem: Problem, columns: Sequence[Column]) -> None:
        """Lay the variables out."""
        self._problem, self._columns = problem, columns
        self._options = [
            (number, place) for number, kind in enumerate(problem.kinds) for place in range(len(kind.options))
        ]
        self._kinds, self._from = len(problem.kinds), len(self._options)
        self._width = self._from + self._kinds + len(columns)
        self._held: list[LinearConstraint] = []
        self._rules = self._constraints()

    def ends(self) -> Iterable[np.ndarray]:
        """What is to be small, the weightiest first; as in `Packing.cost`."""
        problem, columns = self._problem, self._columns
        prices = [problem.prices[column.pool] for column in columns]
        unplaced, unpriced, wasteful, money = (np.zeros(self._width) for _ in range(4))
        unplaced[self._from : self._from + self._kinds] = 1
        for number, (column, price) in enumerate(zip(columns, prices, strict=True), self._from + self._kinds):
            unpriced[number] = column.nodes if price is None else 0
            money[number] = column.nodes * (price or 0)
        for number, (kind, place) in enumerate(self._options):
            wasteful[number] = problem.kinds[kind].options[place].wasteful
        return unplaced, unpriced, wasteful, money

    def hold(self, goal: np.ndarray, most: float) -> None:
        """Let an end that was met stay met."""
        if goal.any():
            self._held.append(LinearConstraint(goal.reshape(1, -1), -np.inf, most + CLOSE))

    def run(self, goal: np.ndarray, seconds: float) -> tuple[Packing, bool] | None:
        """Make one end as small as can be; the answer and whether it is the smallest. None: none in time."""
        result = milp(
            goal,
            constraints=[self._rules, *self._held],
            integrality=np.ones(self._width),
            bounds=Bounds(0, self._upper()),
            options={"time_limit": seconds, "mip_rel_gap": 0.0},
        )
        return (
            None if result.x is None else (self._packing(np.rint(result.x).astype(int)), result.status == 0)
        )

    def _upper(self) -> np.ndarray:
        problem = self._problem
        return np.array(
            [problem.kinds[kind].count for kind, _ in self._options]
            + [kind.count for kind in problem.kinds]
            + [problem.nodes[column.pool] // column.nodes for column in self._columns],
            dtype=float,
        )

    def _constraints(self) -> LinearConstraint:
        """Each workload has one place or none; items need columns; columns need nodes."""
        problem = self._problem
        items, pools = len(problem.items), len(problem.rooms)
        cells: Cells = []
        for number, (kind, place) in enumerate(self._options):
            option = problem.kinds[kind].options[place]
            cells += [(kind, number, 1.0), (self._kinds + option.item, number, -float(option.replicas))]
        cells += [(kind, self._from + kind, 1.0) for kind in range(self._kinds)]
        for number, column in enumerate(self._columns, self._from + self._kinds):
            cells += [(self._kinds + index, number, float(many)) for index, many in column.items]
            cells.append((self._kinds + items + column.pool, number, float(column.nodes)))
        counts = [float(kind.count) for kind in problem.kinds]
        lower = [*counts, *[0.0] * items, *[-math.inf] * pools]
        upper = [*counts, *[math.inf] * items, *[float(nodes) for nodes in problem.nodes]]
        return LinearConstraint(matrix(cells, (self._kinds + items + pools, self._width)), lower, upper)

    def _packing(self, values: np.ndarray) -> Packing:
        chosen = {option: int(many) for option, many in zip(self._options, values, strict=False) if many}
        used = zip(self._columns, values[self._from + self._kinds :], strict=True)
        return _trimmed(self._problem, Packing(chosen, {column: int(many) for column, many in used if many}))


def _trimmed(problem: Problem, packing: Packing) -> Packing:
    """Take out of the columns what nobody wants, and columns that are empty then."""
    wanted: Counter[int] = Counter()
    for (kind, place), many in packing.chosen.items():
        option = problem.kinds[kind].options[place]
        wanted[option.item] += option.replicas * many
    columns: Counter[Column] = Counter()
    for column, times in packing.columns.items():
        for _ in range(times):
            inside = tuple((index, min(many, wanted[index])) for index, many in column.items if wanted[index])
            wanted.subtract(dict(inside))
            if inside:
                columns[Column(column.pool, column.nodes, inside)] += 1
    return Packing(packing.chosen, dict(columns))


def matrix(cells: Cells, shape: tuple[int, int]) -> csr_matrix:
    """A sparse matrix."""
    rows, columns, values = zip(*cells, strict=True) if cells else ((), (), ())
    return coo_matrix((values, (rows, columns)), shape=shape).tocsr()
