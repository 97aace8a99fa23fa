"""What a workload needs of a pool: of each replica, and how many replicas. What is unknown stays unknown."""

import math
import re
from dataclasses import dataclass

from turnout.domain.accelerators import (
    ACCELERATORS,
    MIG,
    SELECTORS,
    AcceleratorKind,
    accelerator_named,
    kind_of,
)
from turnout.domain.model_facts import model_facts
from turnout.domain.model_memory import VLLM_GIB, ModelMemory, model_memory
from turnout.domain.observed import Figure
from turnout.domain.quantity import GIB, amount
from turnout.domain.weights import Sizing
from turnout.domain.workload import Component, Workload

THROUGHPUT = "turnout.dev/requests-per-second-per-replica"
"""Annotation: what one replica bears, as its owner measured it."""
ACCELERATOR = "turnout.dev/accelerator"
"""Annotation: `none`, where the owner has the model served without one."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What one replica needs, and how many there are; None: unknown, and then not held against any pool.

    Attributes:
        cpu: Cores of one host's pod.
        memory_gib: Memory of one host's pod in GiB.
        accelerators: Accelerators of a replica, as legacy has them; 0: none asked for.
        kind: Their kind, where any are asked for.
        accelerator_memory_gib: Memory of each, as the legacy's own accelerator has it.
        replicas: How many replicas run at least.
        model: Accelerator memory of a language model; None: unknown, or no language model.
        number_format: What its weights are held in, where that is said.
        heads: Attention heads, which the number of accelerators has to divide; None: unknown.
        only_on: The accelerator that it was built for (a TensorRT engine), where that is one.
        without: Whether its owner has it served without accelerators.
        basis: Each figure with its source, for people.
        unknown: What is not known.
    """

    cpu: float | None = None
    memory_gib: float | None = None
    accelerators: int = 0
    kind: AcceleratorKind | None = None
    accelerator_memory_gib: float | None = None
    replicas: int = 1
    model: ModelMemory | None = None
    number_format: str | None = None
    heads: int | None = None
    only_on: str | None = None
    without: bool = False
    basis: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def demand(workload: Workload, sizing: Sizing = Sizing()) -> Demand:  # noqa: B008 -- frozen
    """Work out what a workload needs from its resources, its model and its traffic."""
    predictor = workload.components[0] if workload.components else Component(role="predictor", framework=None)
    replicas, replicas_basis, replicas_unknown = _replicas(workload, predictor)
    cpu, cpu_basis = _cores(workload, predictor, sizing)
    memory, memory_basis = _memory(workload, predictor, sizing)
    resource, count = _accelerators(predictor)
    legacy = _legacy_accelerator(workload)
    facts = model_facts(workload)
    language = workload.framework == "huggingface"
    model = model_memory(facts, sizing) if language else None
    without = workload.annotations.get(ACCELERATOR) == "none"
    if without and model:
        memory, memory_basis = _on_host(memory, memory_basis, model)
    parallel = int(facts.parallel.value) if facts.parallel and language else 0
    heads = facts.of_config("num_attention_heads") if language else None
    memory_of_each = _slice_memory(resource) or (ACCELERATORS[legacy].memory_gib if legacy else None)
    missing = {
        "cores": cpu is None,
        "memory": memory is None,
        "model size": language and model is None,
        "accelerator memory": bool(count) and model is None and memory_of_each is None,
        "the accelerator that its engine was built for": workload.framework == "tensorrt" and legacy is None,
    }
    return Demand(
        cpu=cpu,
        memory_gib=memory,
        accelerators=max(count, parallel),
        kind=kind_of(resource) if resource else None,
        accelerator_memory_gib=memory_of_each,
        replicas=replicas,
        model=model,
        number_format=facts.number_format if language else None,
        heads=int(heads) if heads else None,
        only_on=legacy if workload.framework == "tensorrt" else None,
        without=without,
        basis=(
            *cpu_basis,
            *memory_basis,
            *((f"{count} of {resource}, as legacy asks for",) if resource else ()),
            *(
                (f"{parallel} accelerators (by {facts.parallel.source})",)
                if parallel and facts.parallel
                else ()
            ),
            *((f"no accelerator, by its owner's word ({ACCELERATOR})",) if without else ()),
            *(model.basis if model else ()),
            *((model.share,) if model and not without else ()),
            *replicas_basis,
        ),
        unknown=(
            *(name for name, is_missing in missing.items() if is_missing),
            *(model.unknown if model else ()),
            *replicas_unknown,
        ),
    )


def _cores(workload: Workload, predictor: Component, sizing: Sizing) -> tuple[float | None, tuple[str, ...]]:
    """Limits before requests; else what telemetry shows, with a margin."""
    if "cpu" in predictor.resources:
        cores = amount(predictor.resources["cpu"])
        return cores or None, (f"{cores:g} cores, as legacy asks for",) if cores else ()
    return _observed(workload.observed.cpu_cores, "cores", predictor, sizing)


def _memory(workload: Workload, predictor: Component, sizing: Sizing) -> tuple[float | None, tuple[str, ...]]:
    if "memory" in predictor.resources:
        gib = amount(predictor.resources["memory"]) / GIB
        return gib or None, (f"{gib:.4g} GiB of memory, as legacy asks for",) if gib else ()
    return _observed(workload.observed.memory_gib, "GiB of memory", predictor, sizing)


def _on_host(gib: float | None, basis: tuple[str, ...], model: ModelMemory) -> tuple[float, tuple[str, ...]]:
    """A model without accelerators lies in its pod's own memory, which legacy's may be too small for."""
    if gib is not None and gib >= model.host_gib:
        return gib, basis
    return model.host_gib, (
        f"{model.host_gib:.4g} GiB of memory: weights and cache in float32, {VLLM_GIB:g} GiB of vLLM's own",
    )


def _observed(
    figure: Figure | None, unit: str, predictor: Component, sizing: Sizing
) -> tuple[float | None, tuple[str, ...]]:
    """A figure of all replicas, as if the fewest that may run had made it: rather more than less."""
    if figure is None or figure.value <= 0:
        return None, ()
    each = figure.value / (predictor.min_replicas or 1) * (1 + sizing.observed_margin)
    return each, (
        f"{each:.3g} {unit}: observed by {figure.source}, with {sizing.observed_margin:.0%} on top",
    )


def _accelerators(predictor: Component) -> tuple[str | None, int]:
    """The extended resource that is asked for, and how many; a MIG slice counts as one accelerator."""
    for resource, quantity in sorted(predictor.resources.items()):
        if kind_of(resource) and amount(quantity) >= 1:
            return resource, int(amount(quantity))
    return None, 0


def _legacy_accelerator(workload: Workload) -> str | None:
    """The accelerator that legacy asks for by node label, where it is a known one."""
    selector = workload.extra.get("node_selector", {})
    for label in SELECTORS:
        try:
            return accelerator_named(selector[label])
        except (KeyError, ValueError):
            continue
    return None


def _slice_memory(resource: str | None) -> float | None:
    """Memory of a MIG slice in GiB, by its profile's name, `nvidia.com/mig-3g.20gb`."""
    said = (
        re.search(r"\.(\d+)gb", resource.removeprefix(MIG)) if resource and resource.startswith(MIG) else None
    )
    return float(said.group(1)) if said else None


def _replicas(workload: Workload, predictor: Component) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
    """Legacy's fewest; more where the traffic needs more, by what a replica bears or by Little's law.

    Little's law: requests under way = arrival rate x time in the system.
    """
    least = predictor.min_replicas or 1
    legacy = f"{least} replicas: legacy's minReplicas"
    rate, slow = workload.observed.requests_per_second, workload.observed.latency_p99_seconds
    bears = _throughput(workload)
    if rate is None:
        return least, (legacy,), ("traffic",)
    if bears:
        wanted = math.ceil(rate.value / bears)
        how = f"{rate.value:.4g} requests/s (by {rate.source}) at {bears:g} a replica ({THROUGHPUT})"
    elif predictor.container_concurrency and slow is not None:
        wanted = math.ceil(rate.value * slow.value / predictor.container_concurrency)
        how = (
            f"{rate.value:.4g} requests/s (by {rate.source}) x {slow.value:.3g} s (p99 by {slow.source})"
            f" at {predictor.container_concurrency} at a time (containerConcurrency)"
        )
    else:
        return least, (legacy,), ("what one replica bears",)
    if wanted <= least:
        return least, (f"{legacy}; traffic needs {wanted}: {how}",), ()
    return wanted, (f"{wanted} replicas: {how}",), ()


def _throughput(workload: Workload) -> float | None:
    try:
        said = float(workload.annotations.get(THROUGHPUT, ""))
    except ValueError:
        return None
    return said if 0 < said < math.inf else None
