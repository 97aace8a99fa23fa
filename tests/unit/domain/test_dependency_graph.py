from hypothesis import given
from hypothesis import strategies as st

from turnout.domain.dependency_graph import CALLS, dependency_graph
from turnout.domain.inference_graph import Call, Graph
from turnout.domain.inventory import Inventory, gather
from turnout.domain.schedule import Schedule
from turnout.domain.workload import Workload

NAMES = ("a", "b", "c", "d", "e")


def _workload(name, **fields):
    return Workload(name=name, namespace="prod", framework="sklearn", **fields)


def _edges(inventory):
    return {(edge.source, edge.target, edge.reason) for edge in dependency_graph(inventory).edges}


def test_services_lead_to_the_workloads_behind_them():
    """However a workload's service is named, the edge ends at the workload."""
    caller = _workload(
        "caller",
        dependencies=("service/prod/a-predictor-default", "host/b-transformer", "host/c.prod", "host/x.com"),
    )
    found = _edges(Inventory(workloads=(*map(_workload, "abc"), caller)))
    assert {target for _, target, _ in found} == {
        *(f"InferenceService/prod/{name}" for name in "abc"),
        "host/x.com",
    }


def test_what_is_shared_is_found_with_its_users():
    """Runtimes, buckets, claims and secrets that several use; a secret is its namespace's own."""
    one, two = (
        _workload(name, runtime="mlserver", storage_uri=f"s3://models/{name}", dependencies=("secret/s3",))
        for name in "ab"
    )
    other = Workload(name="c", namespace="dev", framework="sklearn", dependencies=("secret/s3",))
    shared = dependency_graph(Inventory(workloads=(one, two, other))).shared
    both = ("InferenceService/prod/a", "InferenceService/prod/b")
    assert shared == dict.fromkeys(("runtime/mlserver", "secret/prod/s3", "storage/s3://models"), both)


def test_graphs_and_schedules_depend_too():
    """An InferenceGraph's steps lead to its models by name or URL, and a recurring run to what it calls."""
    calls = (
        Call(target="a", step="root[0]"),
        Call(target="http://b.prod.svc.cluster.local/v1", step="root[1]", is_url=True),
    )
    graph = Graph(name="both", namespace="prod", kind="InferenceGraph", calls=calls)
    nightly = Schedule(name="nightly", namespace="prod", dependencies=("service/prod/both",))
    workloads = (_workload("a"), _workload("b"))
    assert _edges(Inventory(workloads=workloads, graphs=(graph,), schedules=(nightly,))) == {
        ("InferenceGraph/prod/both", "InferenceService/prod/a", f"{CALLS} in step root[0]"),
        ("InferenceGraph/prod/both", "InferenceService/prod/b", f"{CALLS} in step root[1]"),
        ("ScheduledWorkflow/prod/nightly", "InferenceGraph/prod/both", CALLS),
    }


def test_a_transformer_that_calls_its_own_predictor_is_no_dependency():
    """A workload's parts are one thing."""
    assert not _edges(Inventory(workloads=(_workload("a", dependencies=("service/prod/a-predictor",)),)))


@given(calls=st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=12))
def test_cycles_are_exactly_the_nodes_that_reach_themselves(calls):
    """Against a plain transitive closure: two nodes are in one cycle when each reaches the other."""
    calls = {(one, other) for one, other in calls if one != other}
    workloads = [
        _workload(name, dependencies=tuple(f"service/prod/{to}" for one, to in sorted(calls) if one == name))
        for name in NAMES
    ]
    reach = set(calls)
    for middle in NAMES:
        reach |= {(a, b) for a in NAMES for b in NAMES if (a, middle) in reach and (middle, b) in reach}
    expected = {
        tuple(sorted(f"InferenceService/prod/{b}" for b in NAMES if (a, b) in reach and (b, a) in reach))
        for a in NAMES
        if (a, a) in reach
    }
    assert set(dependency_graph(gather(workloads)).cycles) == expected
