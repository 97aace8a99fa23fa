"""The seven ways in which an estate is grouped, each with its reason. The unknown is a group of its own."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from turnout.domain.accelerators import kind_of
from turnout.domain.quantity import amount
from turnout.domain.risk import risk
from turnout.domain.weights import DEFAULT, Weights
from turnout.domain.workload import Workload

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Group:
    """The group of one workload in one grouping, and why it is in it."""

    name: str
    why: str


def _traffic(workload: Workload, weights: Weights) -> Group:
    """By the measured rate, told with its source and its window."""
    rate = workload.observed.requests_per_second
    if rate is None:
        return Group(UNKNOWN, "no telemetry shows its traffic")
    limits = weights.traffic
    window = f" over {rate.window_seconds:g} s" if rate.window_seconds else ""
    seen = f"{rate.value:.4g} requests a second{window}, by {rate.source}"
    if rate.value >= limits.high_from:
        return Group("high", f"{seen}; high from {limits.high_from:g}")
    if rate.value < limits.low_below:
        return Group("low", f"{seen}; low below {limits.low_below:g}")
    return Group("medium", f"{seen}; between {limits.low_below:g} and {limits.high_from:g}")


def _criticality(workload: Workload, _: Weights) -> Group:
    if workload.criticality is None:
        return Group(UNKNOWN, "no label or annotation says it")
    return Group(workload.criticality, "its owner's label or annotation")


def _hardware(workload: Workload, _: Weights) -> Group:
    """The accelerator that the predictor asks for; where it declares nothing its runtime decides."""
    needed = workload.components[0].resources if workload.components else {}
    for resource, quantity in sorted(needed.items()):
        kind = kind_of(resource)
        if kind and amount(quantity) > 0:
            return Group(kind, f"it asks for {quantity} of {resource}")
    if needed:
        return Group("cpu", "it declares what it needs, and no accelerator")
    return Group(UNKNOWN, "it declares no resources")


def _latency(workload: Workload, _: Weights) -> Group:
    p99 = workload.observed.latency_p99_seconds
    seen = f"; p99 is {p99.value:.3g} s, by {p99.source}" if p99 else ""
    if workload.latency_class is None:
        return Group(UNKNOWN, f"no label or annotation says its latency class{seen}")
    return Group(workload.latency_class, f"its owner's label or annotation{seen}")


def _framework(workload: Workload, _: Weights) -> Group:
    declared = workload.model_format or workload.framework
    return Group(workload.framework, f"declared as {declared}")


def _complexity(workload: Workload, weights: Weights) -> Group:
    """What a custom container calls cannot be read from a manifest."""
    if workload.framework == "custom":
        return Group(UNKNOWN, "what a custom container calls cannot be read from its manifest")
    others = [component.role for component in workload.components[1:]]
    found = (*workload.dependencies, *others)
    if not found:
        return Group("none", "nothing that it calls, shares or has beside its predictor")
    limit = weights.dependencies.entangled_from
    named = f"{', '.join(found[:limit])}{', ...' if len(found) > limit else ''}"
    if len(found) >= limit:
        return Group(
            "entangled", f"{len(found)} dependencies and components, entangled from {limit}: {named}"
        )
    return Group("some", named)


def _risk(workload: Workload, weights: Weights) -> Group:
    found = risk(workload, weights)
    return Group(found.group, f"{found.sum}: {'; '.join(found.reasons) or 'nothing speaks against it'}")


GROUPINGS: dict[str, Callable[[Workload, Weights], Group]] = {
    "traffic_volume": _traffic,
    "business_criticality": _criticality,
    "hardware_requirements": _hardware,
    "latency_sensitivity": _latency,
    "framework": _framework,
    "dependency_complexity": _complexity,
    "migration_risk": _risk,
}
"""Each grouping's name, and how a workload's group is found."""


def groups_of(workload: Workload, weights: Weights = DEFAULT) -> dict[str, Group]:
    """The group of one workload in each of the seven groupings."""
    return {name: find(workload, weights) for name, find in GROUPINGS.items()}


def grouped(workloads: Iterable[Workload], weights: Weights = DEFAULT) -> dict[str, dict[str, list[str]]]:
    """By grouping and group, the workloads in it as `namespace/name`."""
    result: dict[str, dict[str, list[str]]] = {name: {} for name in GROUPINGS}
    for workload in workloads:
        for name, group in groups_of(workload, weights).items():
            result[name].setdefault(group.name, []).append(f"{workload.namespace}/{workload.name}")
    return result
