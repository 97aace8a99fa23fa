"""In which wave each model moves: by its risk, after every model that it calls, outside of freezes."""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from turnout.domain.calendar import Calendar, Freeze
from turnout.domain.risk import Risk, risk
from turnout.domain.weights import Weights
from turnout.domain.workload import Workload

Key = tuple[str, str]
"""Namespace and name."""

BY_RISK = {"low": 1, "medium": 2, "high": 3}
"""The first wave of each risk group: what is learned on models that forgive serves those that do not."""

LAST = 520
"""No wave is later: at one a week that is ten years. A model that finds no place by then is never free."""

_SERVICE_ENDINGS = ("", "-predictor", "-predictor-default", "-transformer", "-transformer-default")
"""What KServe appends to a model's name for the services in front of it."""


@dataclass(frozen=True, slots=True)
class Wave:
    """The wave of one model.

    Attributes:
        number: From 1.
        reason: Why this one.
        frozen: The freeze that leaves no wave free up to the last; None: the model can move.
    """

    number: int
    reason: str
    frozen: Freeze | None = None


def key(workload: Workload) -> Key:
    """Namespace and name of a workload."""
    return workload.namespace, workload.name


def waves(
    workloads: tuple[Workload, ...],
    calendar: Calendar = Calendar(),  # noqa: B008 -- frozen
    weights: Weights = Weights(),  # noqa: B008 -- frozen
) -> dict[Key, Wave]:
    """The wave of every workload; models that call each other in a circle do not wait for one another."""
    found = {key(workload): workload for workload in workloads}
    risks = {one: risk(workload, weights) for one, workload in found.items()}
    calls = _without_circles(_calls(found))
    taken: dict[int, int] = {}
    result: dict[Key, Wave] = {}
    for one in _in_order(risks, calls):
        earliest = _earliest(risks[one], {other: result[other] for other in calls[one]})
        result[one] = _free(earliest, found[one].owner, calendar, taken)
        taken[result[one].number] = taken.get(result[one].number, 0) + 1
    return result


def _in_order(risks: Mapping[Key, Risk], calls: Mapping[Key, frozenset[Key]]) -> Iterable[Key]:
    """What is called before its callers; among those that are free to go, the least risky first."""
    sorter = TopologicalSorter(calls)
    sorter.prepare()
    ready: list[tuple[int, Key]] = []
    while sorter.is_active():
        for one in sorter.get_ready():
            heapq.heappush(ready, (risks[one].points, one))
        _, one = heapq.heappop(ready)
        yield one
        sorter.done(one)


def _earliest(risk: Risk, called: Mapping[Key, Wave]) -> Wave:
    """The first wave that a model's risk and those that it calls allow."""
    first = BY_RISK[risk.group]
    latest = max(called, key=lambda other: called[other].number, default=None)
    if latest is not None and called[latest].number >= first:
        return Wave(called[latest].number + 1, f"after {'/'.join(latest)}, which it calls")
    return Wave(first, f"its migration risk is {risk.group}")


def _free(earliest: Wave, owner: str | None, calendar: Calendar, taken: Mapping[int, int]) -> Wave:
    """The first wave from there on that is neither frozen nor full."""
    why, frozen = earliest.reason, None
    for number in range(earliest.number, LAST + 1):
        frozen = calendar.freeze(owner, number)
        if frozen is None and (calendar.most_models is None or taken.get(number, 0) < calendar.most_models):
            return Wave(number, f"wave {number}: {why}")
        why = f"no change from {frozen.words()}" if frozen else f"wave {number} is full"
    return Wave(LAST, f"no wave is free up to {LAST}: {why}", frozen)


def _calls(found: Mapping[Key, Workload]) -> dict[Key, frozenset[Key]]:
    """By workload, the workloads that it calls by their services' names."""
    services = {
        f"service/{namespace}/{name}{ending}": (namespace, name)
        for namespace, name in found
        for ending in _SERVICE_ENDINGS
    }
    return {
        one: frozenset(services[name] for name in workload.dependencies if name in services) - {one}
        for one, workload in found.items()
    }


def _without_circles(calls: dict[Key, frozenset[Key]]) -> dict[Key, frozenset[Key]]:
    while True:
        try:
            TopologicalSorter(calls).prepare()
        except CycleError as error:
            circle = frozenset(error.args[1])
            calls = {one: others - circle if one in circle else others for one, others in calls.items()}
        else:
            return calls
