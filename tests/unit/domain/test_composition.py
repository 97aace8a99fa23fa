import pytest

from turnout.domain.composition import composed, is_run
from turnout.domain.document import Document
from turnout.domain.inference_graph import inference_graph
from turnout.domain.inventory import gather
from turnout.domain.targets import TargetRuntime, way
from turnout.domain.workload import Workload

STEPS = [
    {"name": "first", "serviceName": "a"},
    {"serviceName": "b", "data": "$response", "mapPredictionsToInstances": True},
]


def _graph(kind="Sequence", steps=STEPS):
    spec = {"minReplicas": 1, "timeout": 30, "nodes": {"root": {"routerType": kind, "steps": steps}}}
    meta = {"name": "both", "namespace": "prod", "annotations": {"turnout.dev/owner": "gil"}}
    value = {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "InferenceGraph",
        "metadata": meta,
        "spec": spec,
    }
    return inference_graph(Document(value=value, file="estate.yaml"))


def _model(name, wire="v1", namespace="prod"):
    return Workload(name=name, namespace=namespace, framework="sklearn", wire=wire, storage_uri=f"/m/{name}")


def test_a_graph_is_a_workload_with_its_models():
    """Clients call it as one model; what its router declared, and each model as found, go with it."""
    found = composed(_graph(), [_model("a"), _model("b"), _model("c")])
    assert found is not None
    assert (found.name, found.framework, found.wire, found.owner) == ("both", "graph", "v1", "gil")
    assert [member.name for member in found.members] == ["a", "b"]
    assert found.components[0].timeout_seconds == 30
    assert found.extra["nodes"]["root"]["steps"] == [
        {"name": "first", "member": "a"},
        {"member": "b", "data": "$response", "mapPredictionsToInstances": True},
    ]


@pytest.mark.parametrize(
    "models",
    [[_model("a")], [_model("a"), _model("b", namespace="test")], []],
)
def test_a_graph_of_unknown_models_is_no_workload(models):
    """What a model that was not found answers, nobody knows."""
    assert composed(_graph(), models) is None


def test_models_that_speak_several_protocols_leave_the_graphs_unknown():
    """Its protocol is that of its models, where they have one."""
    found = composed(_graph(), [_model("a"), _model("b", wire="v2")])
    assert found is not None
    assert found.wire is None


@pytest.mark.parametrize(
    ("kind", "steps", "packaged"),
    [
        ("Sequence", STEPS, True),
        ("Ensemble", STEPS, True),
        ("Splitter", [{"serviceName": "a", "weight": 50}, {"serviceName": "b", "weight": 50}], False),
        ("Switch", [{"serviceName": "a", "condition": "x"}], False),
        ("Sequence", [{"serviceName": "a"}, {"serviceName": "b", "condition": "predictions"}], False),
    ],
)
def test_only_graphs_that_can_be_proved_are_packaged(kind, steps, packaged):
    """All go to Ray Serve; one whose answers hang on chance or conditions waits for its owner."""
    found = composed(_graph(kind, steps), [_model("a"), _model("b")])
    assert found is not None
    assert is_run(found) is packaged
    assert (way(found).runtime, way(found).packaged) == (TargetRuntime.RAY_SERVE, packaged)


def test_the_inventory_holds_both():
    """The graph stays among the graphs, for its dependencies, and is planned as a workload."""
    found = gather([_graph(), _model("a"), _model("b")])
    assert [one.name for one in found.workloads] == ["a", "b", "both"]
    assert [one.name for one in found.graphs] == ["both"]
