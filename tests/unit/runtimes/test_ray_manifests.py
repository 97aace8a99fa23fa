"""RayServices: which applications they run, where the clients' bridge is, how large the head is."""

import pytest
import yaml

from runtimes import Endpoint
from runtimes.kubernetes import manifests, ray_serve
from runtimes.kubernetes.served import Package, Served
from runtimes.ray_serve import bridging
from turnout.domain.assignment import Assignment
from turnout.domain.contract import Contract, SameAnswer, Tensor, Wire
from turnout.domain.pools import Pool, Taint
from turnout.settings import Head

POOL = Pool(
    name="cpu", cpu=12, memory_gib=40, nodes=2, node_labels={"pool": "cpu"},
    taints=(Taint(key="models", value="only"),),
)  # fmt: skip
TENSORS = (Tensor(name="x", datatype="FP32", shape=(-1, 4)),)
CONFIG = {
    "import_path": "application:app", "code": "application", "environment": "ray-models",
    "deployments": [{"name": "Ingress", "num_replicas": 2}],
}  # fmt: skip


def contract(wire):
    """What clients were promised."""
    return Contract(
        model="iris", wire=wire, inputs=TENSORS, outputs=TENSORS, same_answer=SameAnswer(kind="regression")
    )


def served(replicas=2, **changes):
    """An attempt on Ray Serve."""
    assignment = Assignment(
        model="iris", namespace="models", runtime="ray_serve", pool="cpu", replicas=replicas, cpu=1,
        memory_gib=2,
    )  # fmt: skip
    return Served(attempt="iris-1", assignment=assignment, pool=POOL, image="ray:1", **changes)


def behind(wire=Wire.V1, replicas=2):
    """A package of Turnout's own, with the bridge of its clients."""
    line = bridging.handled("iris-1", contract(wire))
    bridge = bridging.bridge(wire, {"iris": line}, **ray_serve.NO_CPUS, num_replicas=replicas)
    return served(replicas, package=Package(claim="iris-1"), runtime_config=CONFIG, bridge=bridge)


def alone(**changes):
    """A bridge in front of Triton."""
    line = bridging.bridged("iris-1", contract(Wire.V1), Endpoint(host="10.0.0.1", port=1, grpc_port=8001))
    return served(1, bridge=bridging.bridge(Wire.V1, {"iris": line}, **ray_serve.NO_CPUS), **changes)


def service(wanted):
    """The RayService and what it tells Serve."""
    made = manifests(wanted)[0]
    return made["spec"]["rayClusterConfig"], yaml.safe_load(made["spec"]["serveConfigV2"])


@pytest.mark.parametrize(("wire", "prefix"), [(Wire.V1, "/v1/models"), (Wire.V2, "/v2/models")])
def test_clients_reach_the_bridge_and_nothing_else(wire, prefix):
    """Its table leads to the application of that name, which has no route of its own."""
    _, config = service(behind(wire))
    own, bridge = config["applications"]
    assert (own["route_prefix"], bridge["route_prefix"]) == (None, prefix)
    assert own["runtime_env"] == {"working_dir": "local:///package/application"}
    assert own["args"] == {"root": "/package"}
    (deployment,) = bridge["deployments"]
    assert deployment["user_config"]["models"]["iris"]["application"] == own["name"]
    assert (deployment["name"], deployment["num_replicas"]) == ("Bridge", 2)
    assert config["http_options"]["keep_alive_timeout_s"] == 7200


def test_a_bridge_takes_none_of_the_models_cores():
    """A worker is exactly as large as what the plan placed there."""
    for wanted in (behind(), alone()):
        *_, bridge = service(wanted)[1]["applications"]
        assert bridge["deployments"][0]["ray_actor_options"] == {"num_cpus": 0}


def test_a_bridge_alone_is_a_head_without_workers_budget_or_package():
    """It asks Triton by gRPC, and mounts nothing of the attempt."""
    (made,) = manifests(alone())
    cluster, config = service(alone())
    (bridge,) = config["applications"]
    assert bridge["deployments"][0]["user_config"]["models"]["iris"]["address"] == "10.0.0.1:8001"
    assert cluster["workerGroupSpecs"] == []
    spec = cluster["headGroupSpec"]["template"]["spec"]
    assert [volume["name"] for volume in spec["volumes"]] == ["scratch", "shared-memory"]
    assert made["metadata"]["name"] == "ray-serve-iris-1"


def test_a_head_is_as_large_as_the_settings_say_and_on_no_node_that_is_set_aside():
    """Ray's advice where nothing is said; found by its attempt's label when that goes."""
    sizes = {}
    for name, wanted in {"advice": alone(), "small": alone(head=Head(cpu=0.5, memory_gib=2))}.items():
        template = service(wanted)[0]["headGroupSpec"]["template"]
        sizes[name] = template["spec"]["containers"][0]["resources"]["limits"]
        assert "tolerations" not in template["spec"]
        assert template["metadata"]["labels"] == {"app.kubernetes.io/instance": "ray-serve-iris-1"}
    assert sizes == {
        "advice": {"cpu": "2000m", "memory": "8192Mi"}, "small": {"cpu": "500m", "memory": "2048Mi"},
    }  # fmt: skip


def test_an_application_of_ones_own_is_called_itself():
    """What reads HTTP keeps its route, and nothing stands in front."""
    own = served(package=Package(claim="iris-1"), runtime_config={"import_path": "app:model"})
    (application,) = service(own)[1]["applications"]
    assert (application["name"], application["route_prefix"]) == ("iris-1", "/")
    assert application["runtime_env"] == {}


def test_the_same_attempt_has_the_same_manifests():
    """Applied again they change nothing: KubeRay would make a second cluster of any other."""
    assert manifests(behind()) == manifests(behind())
    assert manifests(alone()) == manifests(alone())
