"""The estate as a graph: who calls whom, and what is shared. Each edge says why it is there.

Nodes are `KIND/NAMESPACE/NAME` of what is in the inventory (`InferenceService/prod/iris`), and
`secret/NAMESPACE/NAME`, `volume/...`, `storage/s3://BUCKET`, `runtime/NAME`, `host/NAME` of what is not.
"""

from collections import defaultdict
from collections.abc import Iterator
from urllib.parse import urlsplit

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from turnout.domain.dependencies import service_of
from turnout.domain.inference_graph import Graph
from turnout.domain.inventory import Inventory
from turnout.domain.schedule import Schedule
from turnout.domain.workload import Workload

CALLS = "calls it"
_SERVICE_ENDINGS = (
    "", "-predictor", "-predictor-default", "-transformer", "-transformer-default", "-explainer",
    "-explainer-default",
)  # fmt: skip
"""KServe's names of a workload's Services, in both deployment modes."""
_REASONS = {
    "secret": "takes credentials from it",
    "configmap": "takes configuration from it",
    "volume": "mounts it",
    "account": "runs as it",
}


class Edge(BaseModel):
    """One thing that depends on another, and why."""

    model_config = ConfigDict(frozen=True)

    source: str
    target: str
    reason: str


class DependencyGraph(BaseModel):
    """Dependencies of an estate.

    Attributes:
        edges: Sorted, each once.
        cycles: Sets of nodes that call each other in a circle, each sorted.
    """

    model_config = ConfigDict(frozen=True)

    edges: tuple[Edge, ...] = ()
    cycles: tuple[tuple[str, ...], ...] = ()

    @property
    def shared(self) -> dict[str, tuple[str, ...]]:
        """What more than one depends on, with those that do."""
        users: dict[str, set[str]] = defaultdict(set)
        for edge in self.edges:
            users[edge.target].add(edge.source)
        return {target: tuple(sorted(of)) for target, of in sorted(users.items()) if len(of) > 1}


def dependency_graph(inventory: Inventory) -> DependencyGraph:
    """The dependencies of everything in an inventory."""
    services = dict(_services(inventory))
    found = {
        *(edge for workload in inventory.workloads for edge in _of_workload(workload, services)),
        *(edge for graph in inventory.graphs for edge in _of_graph(graph, services)),
        *(edge for one in inventory.schedules for edge in _of_schedule(one, services)),
    }
    edges = sorted(found, key=lambda edge: (edge.source, edge.target, edge.reason))
    return DependencyGraph(edges=tuple(edges), cycles=_cycles(edges))


def node_of(entry: Workload | Graph | Schedule) -> str:
    """The node of what is in the inventory."""
    kind = "ScheduledWorkflow" if isinstance(entry, Schedule) else entry.kind
    return f"{kind}/{entry.namespace}/{entry.name}"


def _services(inventory: Inventory) -> Iterator[tuple[str, str]]:
    """Services by the names that clients in the cluster call, and the node behind each."""
    entries: tuple[Workload | Graph, ...] = (*inventory.graphs, *reversed(inventory.workloads))
    for entry in entries:
        for ending in _SERVICE_ENDINGS:
            yield f"service/{entry.namespace}/{entry.name}{ending}", node_of(entry)


def _of_workload(workload: Workload, services: dict[str, str]) -> Iterator[Edge]:
    node = node_of(workload)
    yield from _named(node, workload.namespace, workload.dependencies, services)
    if workload.runtime:
        yield Edge(source=node, target=f"runtime/{workload.runtime}", reason="is served by it")
    if storage := _storage(workload):
        yield Edge(source=node, target=storage, reason="its model is stored there")


def _of_graph(graph: Graph, services: dict[str, str]) -> Iterator[Edge]:
    node = node_of(graph)
    for call in graph.calls:
        name = service_of(call.target) if call.is_url else f"service/{graph.namespace}/{call.target}"
        target = services.get(_in_namespace(name, graph.namespace), name)
        yield Edge(source=node, target=target, reason=f"{CALLS} in step {call.step}")


def _of_schedule(schedule: Schedule, services: dict[str, str]) -> Iterator[Edge]:
    yield from _named(node_of(schedule), schedule.namespace, schedule.dependencies, services)


def _named(node: str, namespace: str, names: tuple[str, ...], services: dict[str, str]) -> Iterator[Edge]:
    for name in names:
        kind, _, rest = name.partition("/")
        if kind in _REASONS:
            yield Edge(source=node, target=f"{kind}/{namespace}/{rest}", reason=_REASONS[kind])
            continue
        target = services.get(_in_namespace(name, namespace), name)
        if target != node:  # a transformer that calls its own predictor
            yield Edge(source=node, target=target, reason=CALLS)


def _in_namespace(name: str, namespace: str) -> str:
    """A host by a short name is a Service of the same namespace, `NAME.NAMESPACE` one of another."""
    kind, _, host = name.partition("/")
    labels = host.split(".")
    if kind != "host" or len(labels) > 2:  # noqa: PLR2004 -- NAME.NAMESPACE
        return name
    return f"service/{labels[1] if len(labels) > 1 else namespace}/{labels[0]}"


def _storage(workload: Workload) -> str | None:
    """The bucket, claim, repository or host; a claim is its namespace's own."""
    try:
        parts = urlsplit(workload.storage_uri or "")
    except ValueError:
        return None
    if not parts.scheme or not parts.netloc:
        return None
    if parts.scheme == "pvc":
        return f"volume/{workload.namespace}/{parts.netloc}"
    return f"storage/{parts.scheme}://{parts.netloc}"


def _cycles(edges: list[Edge]) -> tuple[tuple[str, ...], ...]:
    """Strongly connected nodes: each of them is called, by way of others, by itself."""
    calls = [edge for edge in edges if edge.reason.startswith(CALLS)]
    nodes = sorted({node for edge in calls for node in (edge.source, edge.target)})
    if not nodes:
        return ()
    number = {node: index for index, node in enumerate(nodes)}
    rows = [number[edge.source] for edge in calls]
    columns = [number[edge.target] for edge in calls]
    matrix = csr_array((np.ones(len(calls)), (rows, columns)), shape=(len(nodes), len(nodes)))
    _, labels = connected_components(matrix, connection="strong")
    members: dict[int, list[str]] = defaultdict(list)
    for node, label in zip(nodes, labels, strict=True):
        members[int(label)].append(node)
    itself = {edge.source for edge in calls if edge.source == edge.target}
    circles = (found for found in members.values() if len(found) > 1 or found[0] in itself)
    return tuple(sorted(tuple(found) for found in circles))
