"""Whether a workload fits a pool, and what it takes of it. Every refusal says why."""

from collections.abc import Iterator
from dataclasses import dataclass

from turnout.domain.accelerators import AcceleratorKind
from turnout.domain.assignment import Assignment
from turnout.domain.demand import ACCELERATOR, Demand
from turnout.domain.pools import Pool
from turnout.domain.targets import TargetRuntime

_USABLE = {
    TargetRuntime.TRITON: frozenset({None, AcceleratorKind.GPU}),
    TargetRuntime.VLLM: frozenset({None, AcceleratorKind.GPU, AcceleratorKind.TPU}),
    TargetRuntime.RAY_SERVE: frozenset({None, AcceleratorKind.GPU, AcceleratorKind.TPU}),
}
"""Accelerators that each runtime runs on; None: a plain CPU. vLLM does so at the owner's word alone."""

VLLM_CAPABILITY = 7.5
"""Least compute capability of vLLM (its GPU installation page)."""
VLLM_TPUS = frozenset({"tpu-v5e", "tpu-v6e", "tpu7x"})
"""TPU generations that vLLM recommends; v4 and v5p are experimental (its TPU documentation)."""

CAPABILITY_OF_FORMAT = {"bfloat16": 8.0, "fp8": 8.0, "awq": 7.5, "int8": 7.5, "gptq": 7.0}
"""Least compute capability: bfloat16 by NVIDIA's CUDA guide, the rest by vLLM's table of supported hardware
(FP8 below 8.9 by the Marlin kernels, weights only)."""
CPU_FORMATS = frozenset({"float32", "bfloat16", "float16", None})
"""Formats that vLLM computes with in float32 on a CPU; of the quantised ones it serves some on x86, and none
is tried here."""
TPU_FORMATS = frozenset({"float32", "bfloat16", "float16", "int8", None})
"""Formats that vLLM's table of supported hardware has for TPUs; None: not said."""

MOST_HOSTS = 16
"""Hosts that one replica may span on GPU nodes: nobody shards further for serving."""

_REPORTED = 11 / 12
"""Reported memory over nominal, at the least: an L4 reports 22.5 of 24 GiB."""
_MILLI, _MIB = 1000, 1024
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Size:
    """What a pod takes, or a node gives, in the whole units that manifests are written in."""

    milli_cpu: int
    memory_mib: int
    accelerators: int
    pods: int = 1

    def times(self, size: "Size") -> int:
        """How many pods of a size fit."""
        pairs = (
            (self.milli_cpu, size.milli_cpu),
            (self.memory_mib, size.memory_mib),
            (self.accelerators, size.accelerators),
            (self.pods, size.pods),
        )
        return min(there // wanted for there, wanted in pairs if wanted)

    def minus(self, size: "Size", times: int = 1) -> "Size":
        """What is left after some pods."""
        return Size(
            self.milli_cpu - size.milli_cpu * times,
            self.memory_mib - size.memory_mib * times,
            self.accelerators - size.accelerators * times,
            self.pods - size.pods * times,
        )


@dataclass(frozen=True, slots=True)
class Shape:
    """What one replica takes of a pool.

    Attributes:
        size: One host's pod.
        hosts: Hosts of the replica; above 1 they are taken whole.
        assumed: What was unknown, and what is taken in its place.
    """

    size: Size
    hosts: int = 1
    assumed: tuple[str, ...] = ()


def room_of(pool: Pool) -> Size:
    """What one node of a pool gives, rounded down."""
    return Size(
        int(pool.cpu * _MILLI + _ROUNDING),
        int(pool.memory_gib * _MIB + _ROUNDING),
        pool.accelerators_per_node,
        pool.pods_per_node,
    )


def size_of(assignment: Assignment) -> Size:
    """What one host's pod of an assignment takes, rounded up."""
    return Size(_up(assignment.cpu * _MILLI), _up(assignment.memory_gib * _MIB), assignment.accelerators)


def fit(demand: Demand, runtime: TargetRuntime, pool: Pool) -> Shape | str:
    """What a replica takes of a pool, or why it does not fit one that is empty."""
    if why := _incompatible(demand, runtime, pool):
        return why
    found = _span(demand, runtime, pool)
    if isinstance(found, str):
        return found
    accelerators, hosts = found
    return _shape(demand, pool, accelerators, hosts)


def _incompatible(demand: Demand, runtime: TargetRuntime, pool: Pool) -> str | None:
    if pool.kind not in _USABLE[runtime]:
        return f"{runtime} does not run on {pool.accelerator}"
    if demand.kind and not pool.kind:
        return f"it has no accelerator, and {demand.accelerators} are needed"
    if demand.only_on and pool.accelerator != demand.only_on:
        return f"its engine was built for {demand.only_on}, and runs on no other accelerator"
    return _unsuited(demand, runtime, pool) if pool.kind else _unsuited_to_cpus(demand, runtime)


def _unsuited(demand: Demand, runtime: TargetRuntime, pool: Pool) -> str | None:
    """What speaks against the accelerators of a pool."""
    if demand.without:
        return f"its owner has it served without accelerators ({ACCELERATOR}: none)"
    is_vllm = runtime is TargetRuntime.VLLM
    if pool.kind is AcceleratorKind.TPU and not (is_vllm or demand.accelerators):
        return "it asks for no accelerator, and a TPU's hosts are taken whole"
    if demand.kind is AcceleratorKind.GPU and pool.kind is AcceleratorKind.TPU and not is_vllm:
        return "code made for GPUs does not run on TPUs"
    return _unserved(demand, pool) if is_vllm else None


def _unsuited_to_cpus(demand: Demand, runtime: TargetRuntime) -> str | None:
    if runtime is not TargetRuntime.VLLM:
        return None
    if not demand.without:
        return f"vllm runs on a plain CPU only where the owner says so ({ACCELERATOR}: none)"
    form = demand.number_format
    return None if form in CPU_FORMATS else f"vllm serves no {form} weights on CPUs"


def _unserved(demand: Demand, pool: Pool) -> str | None:
    """What vLLM does not serve on a chip."""
    form, capability = demand.number_format, pool.chip.capability if pool.chip else None
    if capability is None:
        if pool.accelerator not in VLLM_TPUS:
            return f"vllm runs on {pool.accelerator} as an experiment only"
        return None if form in TPU_FORMATS else f"vllm serves no {form} weights on TPUs"
    if capability < VLLM_CAPABILITY:
        return f"{pool.accelerator} has compute capability {capability:g}, and vllm needs {VLLM_CAPABILITY:g}"
    if capability < (needed := CAPABILITY_OF_FORMAT.get(form or "", 0.0)):
        return f"{pool.accelerator} has compute capability {capability:g}, and {form} needs {needed:g}"
    return None


def _span(demand: Demand, runtime: TargetRuntime, pool: Pool) -> tuple[int, int] | str:
    """Accelerators of each host and hosts of a replica."""
    if not pool.accelerators_per_node:
        return 0, 1
    if not demand.accelerators and runtime is not TargetRuntime.VLLM:
        return 0, 1
    last = ""
    for each, hosts in _spans(pool, across=demand.model is not None):
        last = _short(demand, pool, each, hosts)
        if not last:
            return each, hosts
    return last


def _spans(pool: Pool, *, across: bool) -> Iterator[tuple[int, int]]:
    """How a replica can lie on a pool, the smallest first; across nodes only where that is known to work.

    TPU chips of a node, and hosts of a slice, are taken whole. MIG slices cannot be joined: a process sees
    one (NVIDIA's MIG user guide). GPUs are taken one by one, then several whole nodes.
    """
    per_node = pool.accelerators_per_node
    if pool.kind is AcceleratorKind.TPU or pool.hosts_per_slice > 1:
        yield per_node, pool.hosts_per_slice
        return
    if pool.mig:
        yield 1, 1
        return
    yield from ((count, 1) for count in range(1, per_node + 1))
    if across:
        yield from ((per_node, hosts) for hosts in range(2, min(pool.nodes, MOST_HOSTS) + 1))


def _short(demand: Demand, pool: Pool, each: int, hosts: int) -> str:
    """What so many accelerators lack; empty: nothing."""
    count, there = each * hosts, pool.memory_of_each_gib
    if count < demand.accelerators and pool.kind is (demand.kind or AcceleratorKind.GPU):
        has = "a pod has one MIG slice" if pool.mig else f"{_hosts(hosts)} {count} accelerators"
        return f"{has}, and a replica needs {demand.accelerators}"
    if demand.model is None:
        return _short_of_legacy(demand, pool, count)
    if why := _undivided(demand, each):
        return why
    needed = demand.model.each_gib(count)
    if needed > there:
        of = f"each of {count} {pool.accelerator}" if count > 1 else f"one {pool.accelerator}"
        return f"{of} has {there:.4g} GiB of accelerator memory, and the model needs {needed:.4g}"
    return ""


def _hosts(hosts: int) -> str:
    return "a node has" if hosts == 1 else f"{hosts} hosts have"


def _undivided(demand: Demand, each: int) -> str:
    """Tensor parallelism goes over one host's accelerators, pipeline parallelism over hosts (vLLM)."""
    if demand.heads and demand.heads % each:
        return f"{each} accelerators do not divide its {demand.heads} attention heads"
    if not demand.heads and each & (each - 1):
        return f"whether {each} accelerators divide its attention heads is unknown"
    return ""


def _short_of_legacy(demand: Demand, pool: Pool, count: int) -> str:
    """By what legacy has, nominally, where the model's own memory is unknown."""
    if not demand.accelerators:
        return ""
    if demand.accelerator_memory_gib is None:
        is_same = pool.kind is demand.kind
        return "" if is_same else f"how many of {pool.accelerator} replace legacy's {demand.kind}s is unknown"
    needed, there = demand.accelerator_memory_gib * demand.accelerators, pool.memory_of_each_gib * count
    if needed * _REPORTED > there:
        return f"{_hosts(1)} {there:.4g} GiB of accelerator memory, and a replica needs {needed:.4g}"
    return ""


def _shape(demand: Demand, pool: Pool, accelerators: int, hosts: int) -> Shape | str:
    room = room_of(pool)
    part = accelerators / pool.accelerators_per_node if accelerators else 1.0
    whole = (
        "a whole node's" if part == 1 else f"{accelerators} of {pool.accelerators_per_node} parts of a node's"
    )
    assumed: list[str] = []
    if demand.cpu is None:
        assumed.append(f"cores unknown: {whole} are taken")
    if demand.memory_gib is None:
        assumed.append(f"memory unknown: {whole} is taken")
    cpu = int(room.milli_cpu * part) if demand.cpu is None else _up(demand.cpu * _MILLI)
    memory = int(room.memory_mib * part) if demand.memory_gib is None else _up(demand.memory_gib * _MIB)
    for unit, wanted, there, scale in (
        ("cores", cpu, room.milli_cpu, _MILLI),
        ("GiB of memory", memory, room.memory_mib, _MIB),
    ):
        if wanted > there:
            return f"a node has {there / scale:.4g} {unit}, and a replica needs {wanted / scale:.4g}"
    if hosts > pool.nodes:
        return f"it has {pool.nodes} nodes, and a replica needs {hosts}"
    return Shape(Size(cpu, memory, accelerators), hosts, tuple(assumed))


def _up(value: float) -> int:
    return -int(-(value - _ROUNDING) // 1)
