"""Node pools from live nodes: nodes alike are one pool; what cannot be used is named with its reason.

Reads `v1.Node` objects as dictionaries; `turnout.fabric.nodes` fetches them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from turnout.domain.accelerators import SELECTORS
from turnout.domain.node_devices import INSTANCE_TYPE, PRODUCT, TPU_TOPOLOGY, Devices, devices
from turnout.domain.pools import Effect, Pool, Taint
from turnout.domain.prices import Prices
from turnout.domain.quantity import GIB, amount

POOL_LABELS = (
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "kubernetes.azure.com/agentpool",
    "agentpool",
    "karpenter.sh/nodepool",
)
"""Labels by which GKE, EKS, AKS (new and old) and Karpenter name a node's pool."""

_ARCHITECTURE = "kubernetes.io/arch"
_HOST = "kubernetes.io/hostname"
_TELLING = (
    *POOL_LABELS,
    INSTANCE_TYPE,
    *SELECTORS,
    TPU_TOPOLOGY,
    PRODUCT,
    "nvidia.com/mig.config",
    "nvidia.com/mig.strategy",
    "nvidia.com/gpu.count",
    _HOST,
)
"""Labels that may tell a pool's nodes from others, the plainest first."""

_PASSING = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
"""Taints by which Kubernetes keeps pods off a node for the time being."""
_LEAVING = frozenset({
    "ToBeDeletedByClusterAutoscaler", "DeletionCandidateOfClusterAutoscaler", "karpenter.sh/disrupted",
    "karpenter.sh/disruption",
})  # fmt: skip
_CONTROL = frozenset({"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"})
_HARD = frozenset({Effect.NO_SCHEDULE, Effect.NO_EXECUTE})


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A node, or several, on which nothing is placed, and why."""

    node: str
    why: str


@dataclass(frozen=True, slots=True)
class NodePools:
    """What live nodes are worth to placement."""

    pools: tuple[Pool, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class _Node:
    """One usable node."""

    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    cpu: float
    memory_gib: float
    pods: int
    devices: tuple[Devices, ...]

    def likeness(self) -> tuple[object, ...]:
        """What nodes of one pool have in common."""
        pool = next(((label, self.labels[label]) for label in POOL_LABELS if label in self.labels), None)
        return (pool, self.labels.get(INSTANCE_TYPE), self.devices, frozenset(self.taints))


def pools_of(nodes: Iterable[Mapping[str, Any]], prices: Prices = Prices()) -> NodePools:  # noqa: B008 -- frozen
    """Work the pools out from the cluster's nodes.

    Args:
        nodes: `v1.Node` objects.
        prices: What a node costs, as far as the user said.
    """
    usable: list[_Node] = []
    left_out: list[LeftOut] = []
    for node in nodes:
        try:
            usable.append(_read(node))
        except ValueError as reason:
            left_out.append(LeftOut(str(node.get("metadata", {}).get("name", "?")), str(reason)))
    alike: dict[tuple[object, ...], list[_Node]] = defaultdict(list)
    for one in usable:
        alike[one.likeness()].append(one)
    pools: list[Pool] = []
    for members in alike.values():
        whole, rest = _whole_slices(members)
        left_out.extend(rest)
        labels = _telling(members, usable)
        if whole and labels is None:
            left_out.append(_untold(members))
        elif whole and labels is not None:
            pools.extend(_pools(_name(members[0], pools), members, whole, labels, prices))
    return NodePools(tuple(sorted(pools, key=lambda pool: pool.name)), tuple(left_out))


def _read(node: Mapping[str, Any]) -> _Node:
    """Read a node.

    Raises:
        ValueError: Nothing may be placed on it; the message says why.
    """
    spec, status = node.get("spec") or {}, node.get("status") or {}
    labels = (node.get("metadata") or {}).get("labels") or {}
    taints = tuple(
        Taint(key=taint["key"], value=taint.get("value") or "", effect=taint["effect"])
        for taint in spec.get("taints") or ()
    )
    if why := _unusable(spec, status, labels, taints):
        raise ValueError(why)
    allocatable = {name: amount(str(value)) for name, value in (status.get("allocatable") or {}).items()}
    cpu, memory = allocatable.get("cpu", 0.0), allocatable.get("memory", 0.0)
    pods = int(allocatable.get("pods", 110))
    if min(cpu, memory, pods) <= 0:
        raise ValueError("it has no cores, memory or pods to give")
    return _Node(
        name=str(node["metadata"]["name"]),
        labels=labels,
        taints=taints,
        cpu=cpu,
        memory_gib=memory / GIB,
        pods=pods,
        devices=devices(allocatable, labels),
    )


def _unusable(
    spec: Mapping[str, Any], status: Mapping[str, Any], labels: Mapping[str, str], taints: tuple[Taint, ...]
) -> str | None:
    conditions: list[dict[str, Any]] = status.get("conditions") or []
    ready = next((one for one in conditions if one.get("type") == "Ready"), {})
    keys = [taint.key for taint in taints]
    going = next((key for key in keys if key.startswith(_PASSING) or key in _LEAVING), None)
    system, chip = labels.get("kubernetes.io/os", "linux"), labels.get(_ARCHITECTURE, "amd64")
    reasons = (
        (spec.get("unschedulable"), "it is cordoned"),
        (
            ready.get("status") != "True",
            f"it is not ready ({ready.get('reason') or 'no word of its kubelet'})",
        ),
        (going, f"it is tainted {going} for the time being"),
        (any(key in _CONTROL for key in keys), "it runs the control plane"),
        (system != "linux", f"it runs {system}, and the runtimes run on Linux"),
        (chip != "amd64", f"it is {chip}, and the runtimes' images are amd64"),
    )
    return next((why for stands, why in reasons if stands), None)


def _whole_slices(members: Sequence[_Node]) -> tuple[int, list[LeftOut]]:
    """How many of the nodes make up whole slices, and what is said of those that do not."""
    hosts = max((found.hosts for found in members[0].devices), default=1)
    missing = len(members) % hosts
    names = ", ".join(node.name for node in members)
    words = f"{missing} of these nodes are no whole slice of {hosts} hosts"
    return len(members) - missing, [LeftOut(names, words)] if missing else []


def _telling(members: Sequence[_Node], everyone: Sequence[_Node]) -> dict[str, str] | None:
    """The fewest labels, tried in order, that no other node has on which the pool's pods could land too."""
    mine = {id(node) for node in members}
    hard = {taint for taint in members[0].taints if taint.effect in _HARD}
    strangers = [
        node
        for node in everyone
        if id(node) not in mine and {taint for taint in node.taints if taint.effect in _HARD} <= hard
    ]
    chosen: dict[str, str] = {}
    for label in _TELLING:
        value = members[0].labels.get(label)
        if value is None or any(node.labels.get(label) != value for node in members):
            continue
        left = [node for node in strangers if node.labels.get(label) == value]
        if len(left) < len(strangers) or label in POOL_LABELS:
            chosen[label], strangers = value, left
    return None if strangers else chosen


def _untold(members: Sequence[_Node]) -> LeftOut:
    names = ", ".join(node.name for node in members)
    return LeftOut(names, "no label tells these nodes from others that pods of theirs could land on: add one")


def _name(node: _Node, taken: Sequence[Pool]) -> str:
    """The name of the cloud's own pool; with what tells it from its namesake where there is one."""
    pool = next((node.labels[label] for label in POOL_LABELS if label in node.labels), None)
    kind = node.labels.get(INSTANCE_TYPE)
    chips = "-".join(found.mig or found.accelerator for found in node.devices)
    base = pool or "-".join(filter(None, (kind, chips))) or "nodes"
    names = {other.name.partition("/")[0] for other in taken}
    tries = [base, "-".join(filter(None, (base, kind))), "-".join(filter(None, (base, kind, chips)))]
    tries += [f"{base}-{number}" for number in range(2, len(taken) + 3)]
    return next(name for name in tries if name not in names)


def _pools(
    name: str, members: Sequence[_Node], whole: int, labels: dict[str, str], prices: Prices
) -> Iterable[Pool]:
    """One pool; where MIG slices of several sizes are mixed, one for each, with its part of the node.

    Parts go by accelerator memory, so that together they are never more than the node.
    """
    node = members[0]
    price = prices.of(name, node.labels.get(INSTANCE_TYPE))
    total = sum(found.count * found.memory_gib for found in node.devices)
    for found in node.devices or (None,):
        part = found.count * found.memory_gib / total if found else 1.0
        several = found is not None and len(node.devices) > 1
        own = name if not several or found is None else f"{name}/{found.mig or 'whole'}"
        said = prices.pools.get(own)
        yield Pool(
            name=own,
            accelerator=found.accelerator if found else None,
            accelerators_per_node=found.count if found else 0,
            accelerator_memory_gib=found.memory_gib if found else None,
            cpu=min(other.cpu for other in members) * part,
            memory_gib=min(other.memory_gib for other in members) * part,
            nodes=whole,
            price_per_hour_usd=said if said is not None else None if price is None else price * part,
            resource=found.resource if found else None,
            node_labels=labels,
            taints=node.taints,
            topology=found.topology if found else None,
            hosts_per_slice=found.hosts if found else 1,
            mig=found.mig if found else None,
            pods_per_node=max(1, int(min(other.pods for other in members) * part)),
        )
