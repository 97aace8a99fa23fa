import pytest

from turnout.domain.accelerators import AcceleratorKind
from turnout.domain.demand import Demand
from turnout.domain.fit import Shape, fit
from turnout.domain.model_memory import ModelMemory
from turnout.domain.pools import Pool
from turnout.domain.targets import TargetRuntime

VLLM, TRITON, RAY = TargetRuntime.VLLM, TargetRuntime.TRITON, TargetRuntime.RAY_SERVE


def _pool(accelerator=None, count=0, nodes=4, **fields):
    return Pool(
        name="p",
        accelerator=accelerator,
        accelerators_per_node=count,
        nodes=nodes,
        **{"cpu": 32, "memory_gib": 128, **fields},
    )


H100 = _pool("nvidia-h100-80gb", 8)
L4 = _pool("nvidia-l4", 1)
V5E = _pool("tpu-v5e", 4, topology="2x2")
V6E = _pool("tpu-v6e", 4, nodes=8, topology="4x4", hosts_per_slice=4)
MIG = _pool("nvidia-a100-40gb", 2, accelerator_memory_gib=20, resource="nvidia.com/mig-3g.20gb")


def _llm(gib, **fields):
    """A model that needs so much accelerator memory, all told."""
    memory = ModelMemory(gib, 0.0, None, 1.0, "", 2 * gib, (), ())
    return Demand(**{"cpu": 4, "memory_gib": 16, "model": memory, "heads": 64, **fields})


def _of_cpus(**fields):
    """A model whose owner has it served without accelerators."""
    return Demand(**{"cpu": 2, "memory_gib": 4, "without": True, **fields})


@pytest.mark.parametrize(
    ("demand", "pool", "accelerators", "hosts"),
    [
        (_llm(20), L4, 1, 1),
        (_llm(100), H100, 2, 1),
        (_llm(200), H100, 4, 1),
        (_llm(640), H100, 8, 1),
        (_llm(641), H100, 8, 2),
        (_llm(60), L4, 1, 3),
        (_llm(60), V5E, 4, 1),
        (_llm(20), V6E, 4, 4),
        (_llm(500), V6E, 4, 4),
        (_llm(18), MIG, 1, 1),
        (_llm(20, accelerators=4), H100, 4, 1),
    ],
)
def test_a_model_takes_as_many_accelerators_as_hold_it(demand, pool, accelerators, hosts):
    """On one host while it can, then on several whole ones; TPU hosts and slices are always whole."""
    found = fit(demand, VLLM, pool)
    assert (found.size.accelerators, found.hosts) == (accelerators, hosts)


@pytest.mark.parametrize(
    ("demand", "runtime", "pool", "words"),
    [
        (_llm(100), VLLM, _pool("nvidia-l4", 1, nodes=1), "one nvidia-l4 has 24 GiB of accelerator memory"),
        (_llm(60), VLLM, MIG, "one nvidia-a100-40gb has 20 GiB"),
        (_llm(513), VLLM, V6E, "each of 16 tpu-v6e has 32 GiB"),
        (_llm(65), VLLM, V5E, "each of 4 tpu-v5e has 16 GiB"),
        (_llm(20, heads=18), VLLM, V6E, "4 accelerators do not divide its 18 attention heads"),
        (_llm(20, number_format="bfloat16"), VLLM, _pool("nvidia-t4", 4), "bfloat16 needs 8"),
        (_llm(20, number_format="fp8"), VLLM, _pool("nvidia-t4", 4), "fp8 needs 8"),
        (_llm(20, number_format="awq"), VLLM, V5E, "no awq weights on TPUs"),
        (_llm(20), VLLM, _pool("nvidia-v100-32gb", 8), "compute capability 7, and vllm needs 7.5"),
        (_llm(20), VLLM, _pool("tpu-v4", 4), "as an experiment only"),
        (_llm(1), VLLM, _pool(), "only where the owner says so (turnout.dev/accelerator: none)"),
        (_of_cpus(), VLLM, L4, "served without accelerators (turnout.dev/accelerator: none)"),
        (_of_cpus(), TRITON, L4, "served without accelerators (turnout.dev/accelerator: none)"),
        (_of_cpus(number_format="awq"), VLLM, _pool(), "no awq weights on CPUs"),
        (_of_cpus(memory_gib=129), VLLM, _pool(), "128 GiB of memory, and a replica needs 129"),
        (
            _of_cpus(accelerators=1, kind=AcceleratorKind.GPU),
            VLLM,
            _pool(),
            "no accelerator, and 1 are needed",
        ),
        (Demand(cpu=1, memory_gib=1), RAY, V5E, "hosts are taken whole"),
        (Demand(1, 1, 2, AcceleratorKind.GPU), TRITON, MIG, "one MIG slice, and a replica needs 2"),
        (Demand(1, 1, 1, AcceleratorKind.GPU, only_on="nvidia-t4"), TRITON, L4, "built for nvidia-t4"),
        (Demand(1, 1, 1, AcceleratorKind.GPU, 40), TRITON, L4, "24 GiB of accelerator memory, and a replica"),
        (Demand(1, 1, 16, AcceleratorKind.TPU), RAY, V5E, "4 accelerators, and a replica needs 16"),
        (Demand(1, 1, 16, AcceleratorKind.TPU), VLLM, L4, "nvidia-l4 replace legacy's tpus is unknown"),
        (Demand(1, 1, 1, AcceleratorKind.GPU), VLLM, V5E, "tpu-v5e replace legacy's gpus is unknown"),
    ],
)
def test_what_does_not_fit_says_why(demand, runtime, pool, words):
    """Memory, number format, generation, slice and engine each have their own sentence."""
    assert words in fit(demand, runtime, pool)


def test_reported_memory_below_nominal_refuses_no_model_its_own_accelerator():
    """Legacy's label names 24 GiB, the node reports 22.5: it is the same L4."""
    reported = _pool("nvidia-l4", 1, accelerator_memory_gib=22.5)
    assert isinstance(fit(Demand(1, 1, 1, AcceleratorKind.GPU, 24), TRITON, reported), Shape)


def test_unknown_cores_and_memory_take_the_nodes_share_and_say_so():
    """A pod needs numbers: its part of the node by accelerators, or a whole node, and never in silence."""
    with_gpu = fit(Demand(accelerators=2, kind=AcceleratorKind.GPU), TRITON, H100)
    assert (with_gpu.size.milli_cpu, with_gpu.size.memory_mib) == (8000, 32768)
    assert with_gpu.assumed == (
        "cores unknown: 2 of 8 parts of a node's are taken",
        "memory unknown: 2 of 8 parts of a node's is taken",
    )
    plain = fit(Demand(), TRITON, _pool())
    assert (plain.size.milli_cpu, plain.size.memory_mib) == (32000, 131072)
    assert "a whole node's" in plain.assumed[0]


def test_a_small_model_takes_a_cpu_at_its_owners_word():
    """One host of it, with the cores and the memory that were asked for."""
    found = fit(_of_cpus(number_format="bfloat16", heads=9), VLLM, _pool())
    assert (found.size.milli_cpu, found.size.memory_mib, found.size.accelerators) == (2000, 4096, 0)
    assert (found.hosts, found.assumed) == (1, ())


def test_a_model_of_unknown_size_takes_an_accelerator_all_the_same():
    """One at least, of a pool that has some; how many is legacy's count where the size is unknown."""
    assert fit(Demand(1, 1), VLLM, L4).size.accelerators == 1
    assert fit(Demand(1, 1, 4, AcceleratorKind.GPU), VLLM, H100).size.accelerators == 4
