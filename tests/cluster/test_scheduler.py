"""Placement against the real scheduler: the feasible is bound where it says, the rest waits."""

import copy
import re

import pytest

from runtimes.kubernetes import manifests, pods
from runtimes.kubernetes.served import Package, Served
from tests.cluster import ray_pods, simulated
from tests.waiting import until
from turnout.domain.accelerators import AcceleratorKind
from turnout.domain.assignment import Assignment
from turnout.domain.demand import Demand
from turnout.domain.joint import Asked, place_all
from turnout.domain.model_memory import ModelMemory
from turnout.domain.prices import Prices
from turnout.domain.targets import TargetRuntime
from turnout.fabric import nodes
from turnout.fabric.kubernetes.api import ClusterApi

GPU, TRITON, VLLM, RAY = (
    AcceleratorKind.GPU,
    TargetRuntime.TRITON,
    TargetRuntime.VLLM,
    TargetRuntime.RAY_SERVE,
)
WITHIN_SECONDS = 120.0
CONFIGS = {TRITON: {}, VLLM: {}, RAY: {"import_path": "app:model", "deployments": [{"name": "Model"}]}}


def _language(gib):
    """A language model that takes so much accelerator memory, divided among the chips."""
    return ModelMemory(
        weights_gib=gib * 0.8,
        cache_gib=gib * 0.2,
        cache_heads=None,
        utilisation=0.9,
        share="",
        host_gib=2 * gib,
        basis=(),
        unknown=(),
    )


def workloads(namespace):
    """Fifty workloads: small and large, on CPUs, GPUs, slices and TPUs; some of which fit nowhere."""
    made = []

    def add(count, runtime, demand):
        first = len(made)
        made.extend(Asked((namespace, f"m{first + n}"), runtime, demand) for n in range(count))

    add(10, TRITON, Demand(cpu=2, memory_gib=4, replicas=1))
    add(3, TRITON, Demand(cpu=1, memory_gib=2, replicas=3))
    add(4, RAY, Demand(cpu=2, memory_gib=6, replicas=1))
    add(4, TRITON, Demand(cpu=6, memory_gib=16, accelerators=1, kind=GPU, accelerator_memory_gib=24))
    add(
        3,
        TRITON,
        Demand(cpu=4, memory_gib=16, accelerators=1, kind=GPU, accelerator_memory_gib=16, replicas=2),
    )
    a100 = "nvidia-a100-40gb"
    add(
        2,
        RAY,
        Demand(cpu=8, memory_gib=60, accelerators=2, kind=GPU, accelerator_memory_gib=40, only_on=a100),
    )
    tpu = AcceleratorKind.TPU
    add(2, RAY, Demand(cpu=20, memory_gib=60, accelerators=8, kind=tpu, only_on="tpu-v5e"))
    add(3, VLLM, Demand(cpu=6, memory_gib=24, model=_language(15), heads=32, number_format="bfloat16"))
    add(2, VLLM, Demand(cpu=16, memory_gib=200, model=_language(140), heads=64, number_format="bfloat16"))
    add(2, VLLM, Demand(cpu=20, memory_gib=120, model=_language(420), heads=64, number_format="bfloat16"))
    # From here on: too much for any node, for any number of nodes, or for what the others leave.
    add(4, TRITON, Demand(cpu=300, memory_gib=8))
    add(3, TRITON, Demand(cpu=4, memory_gib=4000))
    add(4, TRITON, Demand(cpu=4, memory_gib=16, accelerators=16, kind=GPU, accelerator_memory_gib=80))
    add(4, TRITON, Demand(cpu=100, memory_gib=100, accelerators=8, kind=GPU, accelerator_memory_gib=80))
    assert len(made) == 50
    return made


@pytest.fixture(scope="module")
def pools(control_plane, applier):
    """The pools that placement reads from the simulated nodes."""
    simulated.bring_up(applier, simulated.estate())
    with ClusterApi(control_plane.kubeconfig) as api:
        found = nodes.pools(api, Prices(pools=simulated.PRICES))
    assert found.left_out == ()
    yield {pool.name: pool for pool in found.pools}
    for each in simulated.estate():
        applier.delete(each)


def _served(assignment, pool, heads=None):
    return Served(
        attempt=f"{assignment.model}-1", assignment=assignment, pool=pool, image="registry.example/any:1",
        package=Package(image="registry.example/any@sha256:" + "0" * 64),
        runtime_config=CONFIGS[assignment.runtime], head_pool=heads,
    )  # fmt: skip


def _pods(applier, namespace, labels):
    """Pods with labels; a Ray head, which takes none of the pool, has not all of them."""
    found = applier.call("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
    return [pod for pod in found if labels.items() <= pod["metadata"]["labels"].items()]


def _unschedulable(pod):
    """Why the scheduler cannot bind a pod; None: it has not said so."""
    conditions = pod["status"].get("conditions", [])
    said = next((c for c in conditions if c["type"] == "PodScheduled" and c["status"] == "False"), {})
    return said.get("message") if said.get("reason") == "Unschedulable" else None


def _carry_out(applier, assignment, pool, heads):
    """Apply an attempt's manifests and wait until the scheduler has decided on all of its pods."""
    served = _served(assignment, pool, heads)
    made = manifests(served)
    applier.apply(made)
    for each in made:
        if each["kind"] == "RayService":  # KubeRay's part, which does not run here
            applier.apply(list(ray_pods.pods_of(each)))
    expected = assignment.replicas * assignment.hosts

    def decided():
        mine = _pods(applier, assignment.namespace, served.labels)
        known = [pod for pod in mine if pod["spec"].get("nodeName") or _unschedulable(pod)]
        return known if len(known) == len(mine) == expected else None

    return until(decided, f"{expected} pods of {served.name}", WITHIN_SECONDS)


def test_the_scheduler_agrees_with_placement(applier, namespace, pools):
    """Of 50 workloads each pod that placement calls feasible is bound to the pool that it chose.

    Each one that it calls infeasible stays Pending on every pool, for the reason that placement gave for it.
    """
    asked = workloads(namespace)
    by_name = {name: pool for name, pool in pools.items() if name != "heads"}
    together = place_all(asked, tuple(by_name.values()))
    used = set()
    for assignment in together.assignments:
        pool = by_name[assignment.pool]
        for pod in _carry_out(applier, assignment, pool, pools["heads"]):
            node = pod["spec"].get("nodeName")
            assert node, f"{assignment} is Pending: {_unschedulable(pod)}"
            labels = applier.call("GET", f"/api/v1/nodes/{node}")["metadata"]["labels"]
            assert pool.node_labels.items() <= labels.items(), assignment
            used.add(pool.name)
    homeless = [one for one in asked if together.placements[one.key].best is None]
    print(f"{len(together.assignments)} placed on {sorted(used)}, {len(homeless)} nowhere")
    assert len(together.assignments) + len(homeless) == 50
    assert len(homeless) >= 10
    assert used >= {"cpu", "l4", "a100", "a100-mig", "h100", "v5e", "v6e-a"}
    for one in homeless:
        placement = together.placements[one.key]
        reasons = placement.refused | dict.fromkeys(placement.taken, "its room goes to other workloads")
        assert set(reasons) == set(by_name)
        for number, (pool, why) in enumerate(sorted(reasons.items())):
            _waits(applier, one, by_name[pool], why, number)


def _waits(applier, one, pool, why, number):
    """A workload that is sent to a pool all the same waits there, for what placement said is lacking."""
    chips = pool.resource if pool.kind is one.demand.kind and pool.resource else "nvidia.com/gpu"
    assignment = Assignment(
        model=f"{one.key[1]}-{number}", namespace=one.key[0], runtime=one.runtime, pool=pool.name,
        replicas=one.demand.replicas, cpu=one.demand.cpu, memory_gib=one.demand.memory_gib,
        accelerators=one.demand.accelerators,
    )  # fmt: skip
    served = _served(assignment, pool.model_copy(update={"resource": chips}))
    spec = pods.pod(served, {"name": "any"})
    applier.apply([pods.deployment(served, spec, start_seconds=60)])
    message = until(
        lambda: next(filter(None, map(_unschedulable, _pods(applier, one.key[0], served.labels))), None),
        f"a refusal of {served.name}",
        WITHIN_SECONDS,
    )
    lacking = _lacking(why, one.demand, chips)
    assert any(f"Insufficient {resource}" in message for resource in lacking), (pool.name, why, message)
    applier.delete(pods.deployment(served, spec, start_seconds=60))


def _lacking(why, demand, chips):
    """Resources that a reason of placement is about, as the scheduler names them."""
    if re.search(r"needs [\d.]+$", why) or "are needed" in why:
        for words, resource in (("cores", "cpu"), ("GiB of memory", "memory")):
            if words in why:
                return [resource]
        return [chips]
    # The runtime is not made for the pool's chips, or others have the room: any of what it asks for.
    return ["cpu", "memory", *([chips] if demand.accelerators else [])]


def test_a_multi_host_replica_has_a_slice_to_itself(applier, namespace, pools):
    """Two replicas of four hosts, two slices reached by one selector: a slice each, never a mixture."""
    slices = [pool for pool in pools.values() if pool.hosts_per_slice > 1]
    assert len(slices) == 2
    shared = copy.deepcopy(slices[0].node_labels)
    shared.pop(simulated.POOL)
    both = slices[0].model_copy(update={"nodes": 8, "node_labels": shared})
    assignment = Assignment(
        model="large", namespace=namespace, runtime=VLLM, pool=both.name, replicas=2, cpu=20, memory_gib=100,
        accelerators=4, hosts=4,
    )  # fmt: skip
    bound = _carry_out(applier, assignment, both, pools["heads"])
    where = {}
    for pod in bound:
        node = pod["spec"].get("nodeName")
        assert node, _unschedulable(pod)
        replica = pod["metadata"]["labels"]["ray.io/worker-group-replica-name"]
        where.setdefault(replica, set()).add(node.rpartition("-")[0])
    assert sorted(map(sorted, where.values())) == [["v6e-a"], ["v6e-b"]]
