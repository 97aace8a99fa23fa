import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.domain.nodes import pools_of
from turnout.domain.prices import Prices

GKE = "cloud.google.com/gke-nodepool"
INSTANCE = "node.kubernetes.io/instance-type"
READY = [{"type": "Ready", "status": "True"}]
TPU_TAINT = {"key": "google.com/tpu", "value": "present", "effect": "NoSchedule"}
GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}


def _node(name, labels=None, *, taints=(), spec=None, conditions=READY, **resources):
    allocatable = {"cpu": "7910m", "memory": "28Gi", "pods": "110"}
    allocatable |= {key.replace("__", "/").replace("_", "."): value for key, value in resources.items()}
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {"taints": list(taints), **(spec or {})},
        "status": {"allocatable": allocatable, "conditions": conditions},
    }


def _gpu(name, product, memory, count="1", resource="nvidia.com/gpu", **labels):
    found = _node(
        name,
        {"nvidia.com/gpu.product": product, "nvidia.com/gpu.memory": memory, **labels},
        taints=[GPU_TAINT],
    )
    found["status"]["allocatable"][resource] = count
    return found


def _tpu(name, pool, accelerator, topology, chips="4"):
    labels = {GKE: pool, "cloud.google.com/gke-tpu-accelerator": accelerator}
    found = _node(name, labels | {"cloud.google.com/gke-tpu-topology": topology}, taints=[TPU_TAINT])
    found["status"]["allocatable"]["google.com/tpu"] = chips
    return found


def _only(*nodes, prices=None):
    found = pools_of(nodes, prices or Prices())
    assert found.left_out == ()
    (pool,) = found.pools
    return pool


@pytest.mark.parametrize(
    "label",
    [
        GKE,
        "eks.amazonaws.com/nodegroup",
        "kubernetes.azure.com/agentpool",
        "agentpool",
        "karpenter.sh/nodepool",
    ],
)
def test_each_clouds_own_pool_is_a_pool(label):
    """Nodes that the cloud keeps together are one pool, of the smallest node's size, reached by its label."""
    small = _node("b", {label: "web"}, cpu="4")
    pool = _only(_node("a", {label: "web"}), small)
    assert (pool.name, pool.nodes, pool.cpu, pool.memory_gib) == ("web", 2, 4.0, 28.0)
    assert pool.node_labels == {label: "web"}


def test_one_karpenter_pool_of_two_instance_types_is_two_pools():
    """A Karpenter NodePool holds what it finds; nodes that differ are told apart by their instance type."""
    labels = [{"karpenter.sh/nodepool": "any", INSTANCE: kind} for kind in ("m5.large", "m5.xlarge")]
    found = pools_of([_node("a", labels[0]), _node("b", labels[1], cpu="3")])
    assert [(pool.name, pool.node_labels[INSTANCE]) for pool in found.pools] == [
        ("any", "m5.large"),
        ("any-m5.xlarge", "m5.xlarge"),
    ]


@pytest.mark.parametrize(
    ("product", "memory", "accelerator", "gib"),
    [
        ("NVIDIA-A100-SXM4-40GB", "39538", "nvidia-a100-40gb", 38.6),
        ("NVIDIA-A100-SXM4-80GB", "81920", "nvidia-a100-80gb", 80.0),
        ("A100-PCIE", "40536", "nvidia-a100-40gb", 39.6),
        ("NVIDIA-H100-80GB-HBM3", "81559", "nvidia-h100-80gb", 79.6),
        ("NVIDIA-L4", "23034", "nvidia-l4", 22.5),
        ("NVIDIA-L40S", "46068", "nvidia-l40s", 45.0),
        ("Tesla-T4", "15360", "nvidia-t4", 15.0),
    ],
)
def test_a_gpu_has_the_memory_that_is_reported(product, memory, accelerator, gib):
    """What GPU feature discovery reports is below nominal, and counts: who needs more is not placed."""
    pool = _only(_gpu("g", product, memory, count="8"))
    assert (pool.accelerator, pool.accelerators_per_node, pool.resource) == (accelerator, 8, "nvidia.com/gpu")
    assert pool.memory_of_each_gib == pytest.approx(gib, abs=0.05)
    assert [taint.key for taint in pool.taints] == ["nvidia.com/gpu"]


def test_mig_single_describes_the_slice():
    """Under the strategy "single" product, memory and count are those of the slices."""
    pool = _only(_gpu("g", "NVIDIA-A100-SXM4-40GB-MIG-3g.20gb", "19968", count="2"))
    assert (pool.accelerator, pool.mig, pool.resource) == ("nvidia-a100-40gb", "3g.20gb", "nvidia.com/gpu")
    assert pool.memory_of_each_gib == 19.5


def test_mig_mixed_is_a_pool_for_each_size_and_never_more_than_the_node():
    """Slices of one node share its cores and memory: the parts together are the node, and so is the price."""
    node = _gpu("g", "NVIDIA-A100-SXM4-40GB", "40960", resource="nvidia.com/mig-3g.20gb")
    node["status"]["allocatable"] |= {"nvidia.com/mig-1g.5gb": "2", "nvidia.com/gpu": "0"}
    node["metadata"]["labels"] |= {"nvidia.com/mig-1g.5gb.memory": "4864", GKE: "mixed"}
    found = pools_of([node], Prices(pools={"mixed": 3.0}))
    assert {
        (pool.name, pool.mig, pool.accelerators_per_node, pool.memory_of_each_gib) for pool in found.pools
    } == {
        ("mixed/1g.5gb", "1g.5gb", 2, 4.75),
        ("mixed/3g.20gb", "3g.20gb", 1, 20.0),
    }
    assert sum(pool.cpu for pool in found.pools) == pytest.approx(7.91)
    assert sum(pool.price_per_hour_usd for pool in found.pools) == pytest.approx(3)
    assert sum(pool.pods_per_node for pool in found.pools) <= 110


def test_a_single_host_tpu_and_a_multi_host_slice():
    """Chips a host and the topology say how many hosts a slice has; a slice is taken whole."""
    single = _tpu("s", "v5e", "tpu-v5-lite-podslice", "2x2")
    slices = [_tpu(f"m{n}", "v6e", "tpu-v6e-slice", "4x4") for n in range(4)]
    found = {pool.name: pool for pool in pools_of([single, *slices]).pools}
    assert (found["v5e"].hosts_per_slice, found["v5e"].topology, found["v5e"].resource) == (
        1,
        "2x2",
        "google.com/tpu",
    )
    assert (found["v6e"].hosts_per_slice, found["v6e"].nodes, found["v6e"].accelerators_per_node) == (4, 4, 4)


def test_a_slice_that_lacks_a_host_is_left_out():
    """Three hosts of four serve nobody; the reader sees which and why."""
    found = pools_of([_tpu(f"m{n}", "v6e", "tpu-v6e-slice", "4x4") for n in range(3)])
    assert found.pools == ()
    assert found.left_out[0].node == "m0, m1, m2"
    assert "no whole slice of 4 hosts" in found.left_out[0].why


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (_node("n", spec={"unschedulable": True}), "cordoned"),
        (
            _node("n", conditions=[{"type": "Ready", "status": "False", "reason": "KubeletNotReady"}]),
            "Kubelet",
        ),
        (_node("n", conditions=[]), "no word of its kubelet"),
        (
            _node("n", taints=[{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]),
            "unreachable",
        ),
        (
            _node("n", taints=[{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]),
            "for the time being",
        ),
        (
            _node("n", taints=[{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]),
            "control",
        ),
        (_node("n", {"kubernetes.io/os": "windows"}), "windows"),
        (_node("n", {"kubernetes.io/arch": "arm64"}), "arm64"),
        (_node("n", amd_com__gpu="8"), "amd.com/gpu, are unknown"),
        (_node("n", aws_amazon_com__neuron="1"), "neuron, are unknown"),
        (_node("n", nvidia_com__gpu="1"), "run GPU feature discovery"),
        (_gpu("n", "NVIDIA-X1", "1"), "NVIDIA-X1 is unknown"),
        (_gpu("n", "NVIDIA-L4-SHARED", "23034", **{"nvidia.com/gpu.replicas": "4"}), "time-sliced"),
        (_node("n", google_com__tpu="4"), "unknown accelerator"),
        (_node("n", cpu="0"), "no cores"),
        (_node("n", memory="lots"), "not a Kubernetes quantity"),
    ],
)
def test_a_node_that_cannot_be_used_is_named_with_its_reason(node, words):
    """Nothing is placed on what is broken, going away or unknown, and nothing is left out in silence."""
    found = pools_of([node])
    assert found.pools == ()
    assert found.left_out[0].node == "n"
    assert words in found.left_out[0].why


def test_gke_and_ec2_tell_their_gpus_without_gpu_feature_discovery():
    """GKE's label or EC2's instance type is enough; memory is nominal then."""
    gke = _node("a", {GKE: "l4", "cloud.google.com/gke-accelerator": "nvidia-l4"}, nvidia_com__gpu="1")
    ec2 = _node("b", {"eks.amazonaws.com/nodegroup": "x", INSTANCE: "g5.xlarge"}, nvidia_com__gpu="1")
    assert {(pool.accelerator, pool.memory_of_each_gib) for pool in pools_of([gke, ec2]).pools} == {
        ("nvidia-l4", 24),
        ("nvidia-a10g", 24),
    }


def test_prices_come_from_the_user_alone():
    """By pool before by instance type; what nobody priced stays unknown."""
    node = _node("a", {GKE: "web", INSTANCE: "n2-standard-8"})
    assert _only(node).price_per_hour_usd is None
    by_type = Prices(instance_types={"n2-standard-8": 0.4})
    assert _only(node, prices=by_type).price_per_hour_usd == 0.4
    both = Prices(pools={"web": 0.3}, instance_types={"n2-standard-8": 0.4})
    assert _only(node, prices=both).price_per_hour_usd == 0.3


def test_nodes_that_no_label_tells_apart_are_not_taken_for_two_pools():
    """A selector that reaches a stranger's nodes would put pods where nobody planned them."""
    plain, tainted = _node("a"), _node("b", taints=[{"key": "team", "value": "x", "effect": "NoSchedule"}])
    for node in (plain, tainted):
        del node["metadata"]["labels"]["kubernetes.io/hostname"]
    found = pools_of([plain, tainted])
    assert [pool.taints for pool in found.pools] == [()]
    assert found.left_out[0].node == "b"
    assert "no label tells" in found.left_out[0].why


names = st.sampled_from(["web", "gpu", "tpu"])
nodes = st.one_of(
    st.builds(lambda n, p: _node(f"c{n}", {GKE: p}), st.integers(0, 99), names),
    st.builds(lambda n, p: _gpu(f"g{n}", "NVIDIA-L4", "23034", **{GKE: p}), st.integers(0, 99), names),
    st.builds(lambda n, p: _tpu(f"t{n}", p, "tpu-v6e-slice", "4x4"), st.integers(0, 99), names),
    st.builds(lambda n: _node(f"x{n}", spec={"unschedulable": True}), st.integers(0, 99)),
)


@settings(deadline=None)
@given(st.lists(nodes, max_size=12, unique_by=lambda node: node["metadata"]["name"]))
def test_every_node_is_in_one_pool_or_left_out_and_labels_reach_no_other(found):
    """No node is lost or counted twice, and a pool's labels and tolerations reach its nodes alone."""
    result = pools_of(found)
    placed = sum(pool.nodes for pool in result.pools)
    lone = {name for one in result.left_out for name in one.node.split(", ")}
    assert placed <= len(found)
    if not any("whole slice" in one.why for one in result.left_out):
        assert placed + len(lone) == len(found)
    for pool in result.pools:
        keys = {taint.key for taint in pool.taints}
        reached = [
            node
            for node in found
            if pool.node_labels.items() <= node["metadata"]["labels"].items()
            and {taint["key"] for taint in node["spec"]["taints"]} <= keys
            and not node["spec"].get("unschedulable")
        ]
        assert {node["metadata"]["name"][0] for node in reached} <= {reached[0]["metadata"]["name"][0]}
        assert len(reached) >= pool.nodes


def test_names_of_pools_are_unique():
    """Two clouds' pools of one name are two pools with two names."""
    found = pools_of([_node("a", {GKE: "web"}), _node("b", {"eks.amazonaws.com/nodegroup": "web"})])
    assert len({pool.name for pool in found.pools}) == 2
