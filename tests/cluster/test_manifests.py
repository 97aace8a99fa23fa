"""The manifests of every runtime on every kind of pool, as the real API server takes them."""

import pytest

from runtimes.kubernetes import manifests, ray_serve
from runtimes.kubernetes.served import Package, Served
from runtimes.ray_serve import bridging
from tests.cluster.ray_pods import pods_of
from turnout.domain.assignment import Assignment
from turnout.domain.contract import Contract, SameAnswer, Tensor
from turnout.domain.errors import UnsupportedError
from turnout.domain.pools import Pool, Taint
from turnout.domain.targets import TargetRuntime

GPU = (Taint(key="nvidia.com/gpu", value="present"),)
TPU = (Taint(key="google.com/tpu", value="present"),)
POOLS = {
    "cpu": Pool(name="cpu", cpu=15, memory_gib=56, nodes=3, node_labels={"pool": "cpu"}),
    "gpu": Pool(name="gpu", accelerator="nvidia-h100-80gb", accelerators_per_node=8, cpu=200, memory_gib=1800,
                nodes=2, node_labels={"pool": "gpu"}, taints=GPU),
    "mig": Pool(name="mig", accelerator="nvidia-a100-40gb", accelerators_per_node=8, cpu=47, memory_gib=320,
                accelerator_memory_gib=20, nodes=2, resource="nvidia.com/mig-3g.20gb", mig="3g.20gb",
                node_labels={"pool": "mig"}, taints=GPU),
    "tpu": Pool(name="tpu", accelerator="tpu-v5e", accelerators_per_node=8, cpu=110, memory_gib=180, nodes=2,
                topology="2x4", node_labels={"pool": "tpu"}, taints=TPU),
    "slice": Pool(name="slice", accelerator="tpu-v6e", accelerators_per_node=4, cpu=110, memory_gib=180,
                  nodes=8, topology="4x4", hosts_per_slice=4, node_labels={"pool": "slice"}, taints=TPU),
}  # fmt: skip
CONFIGS = {
    TargetRuntime.TRITON: {"repository": "repository", "model": "iris"},
    TargetRuntime.VLLM: {
        "weights": "weights",
        "engine": {"max_model_len": 2048},
        "weights_bytes": 2**30,
        "model_config": {"num_hidden_layers": 16, "num_attention_heads": 32, "hidden_size": 2048},
    },
    TargetRuntime.RAY_SERVE: {"import_path": "app:model", "deployments": [{"name": "Model"}]},
}
TENSORS = (Tensor(name="x", datatype="FP32", shape=(-1, 4)),)
CONTRACT = Contract(
    model="iris", wire="v1", inputs=TENSORS, outputs=TENSORS, same_answer=SameAnswer(kind="regression")
)
IMPOSSIBLE = {("triton", "tpu"), ("triton", "slice")}


def served(runtime, pool, namespace="default", *, attempt="iris-1", replicas=2):
    """An attempt of a runtime on a pool."""
    hosts = pool.hosts_per_slice
    chips = {"mig": 1, "cpu": 0}.get(pool.name, pool.accelerators_per_node)
    assignment = Assignment(
        model="iris", namespace=namespace, runtime=runtime, pool=pool.name, replicas=replicas, cpu=4,
        memory_gib=16, accelerators=chips, hosts=hosts,
    )  # fmt: skip
    return Served(
        attempt=attempt, assignment=assignment, pool=pool, image=f"registry.example/{runtime}:1",
        package=Package(claim="iris-1"), runtime_config=CONFIGS[runtime],
    )  # fmt: skip


def pods(objects):
    """The pods that the objects' own controllers would make."""
    for each in objects:
        if each["kind"] == "Deployment":
            yield {"apiVersion": "v1", "kind": "Pod", **each["spec"]["template"]}
        elif each["kind"] == "RayService":
            yield from pods_of(each)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("runtime", TargetRuntime)
@pytest.mark.parametrize("replicas", [1, 2])
def test_the_api_server_takes_every_manifest(applier, namespace, runtime, pool, replicas):
    """Each runtime on each kind of pool: every object, and every pod of the restricted standard, is valid.

    Field validation is strict, so a field that Kubernetes does not know is refused; what a runtime cannot do
    on a pool is refused in words.
    """
    wanted = served(runtime, POOLS[pool], namespace, replicas=replicas)
    if (runtime.value, pool) in IMPOSSIBLE:
        with pytest.raises(UnsupportedError):
            manifests(wanted)
        return
    made = manifests(wanted)
    kept = applier.apply(made, dry_run=True)
    assert [each["kind"] for each in kept] == [each["kind"] for each in made]
    checked = list(pods(made))
    assert checked
    for number, pod in enumerate(checked):
        pod["metadata"] |= {"name": f"pod-{number}", "namespace": namespace}
        (taken,) = applier.apply([pod], dry_run=True)
        assert taken["spec"]["containers"][0]["resources"]["limits"]


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("pool", POOLS)
def test_the_api_server_takes_bridges(applier, namespace, pool, alone):
    """In front of an application beside it, and alone; the head that it may run on has no accelerator."""
    line = bridging.handled("iris-1", CONTRACT)
    bridge = bridging.bridge(CONTRACT.wire, {"iris": line}, **ray_serve.NO_CPUS)
    behind = None if alone else Package(claim="iris-1")
    wanted = served(TargetRuntime.RAY_SERVE, POOLS[pool], namespace)
    made = manifests(wanted.model_copy(update={"bridge": bridge, "package": behind}))
    assert len(applier.apply(made, dry_run=True)) == len(made)
    head, *workers = pods(made)
    assert bool(workers) is not alone
    head["metadata"] |= {"name": "head", "namespace": namespace}
    (taken,) = applier.apply([head], dry_run=True)
    limits = taken["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"cpu": "2", "memory": "8Gi"}


def test_a_package_can_come_as_an_image(applier, namespace):
    """A package mounted from an OCI artifact is as good as one from a claim."""
    wanted = served(TargetRuntime.TRITON, POOLS["cpu"], namespace)
    artifact = Package(image="registry.example/packages/iris@sha256:" + "0" * 64)
    for pod in pods(manifests(wanted.model_copy(update={"package": artifact}))):
        pod["metadata"] |= {"name": "pod", "namespace": namespace}
        (taken,) = applier.apply([pod], dry_run=True)
        assert taken["spec"]["volumes"][0]["image"]["reference"] == artifact.image


def test_a_longest_name_is_still_taken(applier, namespace):
    """An attempt whose name is far too long for Kubernetes gets names that it takes, and that are its own."""
    long = "a-model-with-a-name-that-goes-on-and-on-for-as-long-as-a-person-can-bear-it-2"
    names = set()
    for attempt in (long, long + "1"):
        for runtime, pool in (("triton", "gpu"), ("vllm", "gpu"), ("ray_serve", "cpu"), ("vllm", "slice")):
            wanted = served(TargetRuntime(runtime), POOLS[pool], namespace, attempt=attempt)
            names |= {each["metadata"]["name"] for each in applier.apply(manifests(wanted), dry_run=True)}
    assert len(names) == 8  # Triton has two Services
