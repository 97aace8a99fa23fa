"""`inventory.html`: the estate as it was found, in seven ways, one self-contained file."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from turnout.domain.groups import GROUPINGS, Group, groups_of
from turnout.domain.inventory import Inventory
from turnout.domain.weights import Weights
from turnout.domain.workload import Workload
from turnout.report.templates import page

MOST = 1_000
"""Rows that a page shows at most: beyond it nobody reads, and the browser labours."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One group of a grouping: how many are in it, and its share of the largest one."""

    group: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Grouping:
    """One of the seven, largest group first."""

    title: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One workload and its groups, in the order of the groupings."""

    workload: Workload
    groups: tuple[Group, ...]


def render(inventory: Inventory, weights: Weights = Weights(), *, source: str = "") -> str:  # noqa: B008 -- frozen
    """Make the page.

    Args:
        inventory: What was found.
        weights: Thresholds of the groups.
        source: Where it was read, in words.
    """
    rows = [_row(workload, weights) for workload in inventory.workloads]
    return page(
        "inventory.html.j2",
        inventory=inventory,
        workloads=inventory.workloads,
        rows=rows[:MOST],
        groupings=_groupings([row.groups for row in rows]),
        owners=len({workload.owner for workload in inventory.workloads if workload.owner}),
        unowned=sum(workload.owner is None for workload in inventory.workloads),
        most=MOST,
        source=source,
        taken_seconds=time.time(),
    )


def _row(workload: Workload, weights: Weights) -> Row:
    found: Mapping[str, Group] = groups_of(workload, weights)
    return Row(workload, tuple(found[name] for name in GROUPINGS))


def _groupings(rows: Sequence[tuple[Group, ...]]) -> list[Grouping]:
    made = []
    for place, name in enumerate(GROUPINGS):
        counts = Counter(row[place].name for row in rows).most_common()
        largest = counts[0][1] if counts else 1
        bars = tuple(Bar(group, count, count / largest) for group, count in counts)
        made.append(Grouping(title=name.replace("_", " ").capitalize(), bars=bars))
    return made
