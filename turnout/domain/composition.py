"""An InferenceGraph as a workload: what its clients call as one model, with the models behind it.

Only where every model that it calls is in the inventory; of another one nobody knows what it answers. Called
by `turnout.domain.inventory`.
"""

from collections.abc import Sequence

from turnout.domain.inference_graph import Graph
from turnout.domain.workload import Workload

FRAMEWORK = "graph"
RUN = frozenset({"Sequence", "Ensemble"})
"""Nodes whose answer hangs on the request alone, and not on chance or on a query language."""


def composed(graph: Graph, workloads: Sequence[Workload]) -> Workload | None:
    """The workload of a graph; None where it calls what is not in the inventory, or nothing."""
    if graph.kind != "InferenceGraph" or not graph.calls or graph.router is None:
        return None
    near = {found.name: found for found in workloads if found.namespace == graph.namespace}
    called = dict.fromkeys(call.target for call in graph.calls)
    if any(name not in near for name in called):
        return None
    members = tuple(near[name] for name in called)
    wires = {member.wire for member in members}
    return Workload(
        name=graph.name,
        namespace=graph.namespace,
        kind=graph.kind,
        framework=FRAMEWORK,
        wire="v1" if wires == {"v1"} else None,
        components=(graph.router,),
        members=members,
        owner=graph.owner,
        dependencies=tuple(f"service/{graph.namespace}/{name}" for name in called),
        source=graph.source,
        extra={"nodes": graph.nodes},
        unread=graph.unread,
        **graph.marks,
    )


def is_run(workload: Workload) -> bool:
    """Whether every node of a graph is one that a composition runs."""
    nodes = workload.extra.get("nodes", {}).values()
    conditions = [step for node in nodes for step in node["steps"] if step.get("condition")]
    return not conditions and all(node["routerType"] in RUN for node in nodes)
