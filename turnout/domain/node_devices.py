"""The accelerators of one live node, by its allocatable resources and its labels.

GPU feature discovery tells a GPU's product and its real memory, which is below nominal; under MIG "single"
both are about a slice, and under "mixed" each slice is a resource of its own. GKE tells TPUs by labels.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from turnout.domain.accelerators import (
    ACCELERATORS,
    MIG,
    SELECTORS,
    AcceleratorKind,
    accelerator_named,
    kind_of,
)

PRODUCT = "nvidia.com/gpu.product"
MEMORY = "nvidia.com/gpu.memory"
SHARED_BY = "nvidia.com/gpu.replicas"
TPU_TOPOLOGY = "cloud.google.com/gke-tpu-topology"
INSTANCE_TYPE = "node.kubernetes.io/instance-type"

_MIB_IN_GIB = 1024

_FOREIGN = re.compile(
    r"(amd\.com/gpu|gpu\.intel\.com/.*|habana\.ai/.*|aws\.amazon\.com/neuron.*|huawei\.com/.*"
    r"|nvidia\.com/gpu\.shared)"
)
"""Extended resources that are accelerators, or shares of them, on which nothing here is placed."""

_PRODUCTS = (
    ("A100", ("nvidia-a100-80gb", "nvidia-a100-40gb")),
    ("V100", ("nvidia-v100-32gb", "nvidia-v100-16gb")),
    ("H100", ("nvidia-h100-80gb",)),
    ("H200", ("nvidia-h200-141gb",)),
    ("B200", ("nvidia-b200",)),
    ("L40S", ("nvidia-l40s",)),
    ("L4", ("nvidia-l4",)),
    ("A10G", ("nvidia-a10g",)),
    ("T4", ("nvidia-t4",)),
)
"""A word of the product that GPU feature discovery reports, and what it may be; several differ by memory."""

_EC2_FAMILIES = {
    "p3": "nvidia-v100-16gb", "p3dn": "nvidia-v100-32gb", "p4d": "nvidia-a100-40gb",
    "p4de": "nvidia-a100-80gb", "p5": "nvidia-h100-80gb", "p5e": "nvidia-h200-141gb",
    "p5en": "nvidia-h200-141gb", "g4dn": "nvidia-t4", "g5": "nvidia-a10g", "g6": "nvidia-l4",
    "g6e": "nvidia-l40s",
}  # fmt: skip
"""GPUs by family of the instance type, from AWS' page on accelerated instances."""


@dataclass(frozen=True, slots=True)
class Devices:
    """Accelerators of one kind on one node.

    Attributes:
        accelerator: One of ACCELERATORS.
        count: How many (or how many slices).
        memory_gib: Memory of each.
        resource: Extended resource that counts them.
        mig: Profile of the MIG slices that they are, or None.
        topology: How a TPU slice is arranged, or None.
        hosts: Nodes of the slice that this one belongs to.
    """

    accelerator: str
    count: int
    memory_gib: float
    resource: str
    mig: str | None = None
    topology: str | None = None
    hosts: int = 1


def devices(allocatable: Mapping[str, float], labels: Mapping[str, str]) -> tuple[Devices, ...]:
    """The accelerators of a node; more than one where MIG slices of several sizes are mixed.

    Raises:
        ValueError: They are not known, or shared: nothing may be placed on the node.
    """
    if foreign := sorted(name for name, value in allocatable.items() if value and _FOREIGN.fullmatch(name)):
        raise ValueError(f"its accelerators, {', '.join(foreign)}, are unknown")
    counts = {name: int(value) for name, value in sorted(allocatable.items()) if value and kind_of(name)}
    return tuple(
        _tpus(count, labels)
        if kind_of(name) is AcceleratorKind.TPU
        else _slices(name, count, labels)
        if name.startswith(MIG)
        else _gpus(name, count, labels)
        for name, count in counts.items()
    )


def _tpus(count: int, labels: Mapping[str, str]) -> Devices:
    name = accelerator_named(labels.get(SELECTORS[1], "a TPU without the label of its generation"))
    topology = labels.get(TPU_TOPOLOGY)
    chips = math.prod(int(side) for side in topology.split("x")) if topology else count
    if chips % count:
        raise ValueError(f"its topology {topology} is no multiple of its {count} chips")
    return Devices(
        accelerator=name,
        count=count,
        memory_gib=ACCELERATORS[name].memory_gib,
        resource="google.com/tpu",
        topology=topology,
        hosts=chips // count,
    )


def _gpus(resource: str, count: int, labels: Mapping[str, str]) -> Devices:
    product = labels.get(PRODUCT, "")
    if product.endswith("-SHARED") or int(labels.get(SHARED_BY, "1") or 1) > 1:
        raise ValueError("its GPUs are time-sliced: their replicas have no memory of their own")
    name, _, profile = product.partition("-MIG-")
    accelerator = _gpu_named(name, labels)
    return Devices(accelerator, count, _reported(accelerator, labels.get(MEMORY)), resource, profile or None)


def _slices(resource: str, count: int, labels: Mapping[str, str]) -> Devices:
    """One size of MIG slices under the strategy "mixed"; `gpu.product` is the whole GPU's there."""
    profile = resource.removeprefix(MIG)
    accelerator = _gpu_named(labels.get(PRODUCT, "").partition("-MIG-")[0], labels)
    said = re.search(r"\.(\d+)gb", profile)
    memory = labels.get(f"{resource}.memory")
    if not memory and not said:
        raise ValueError(f"nothing tells the memory of {resource}")
    nominal = float(said.group(1)) if said else ACCELERATORS[accelerator].memory_gib
    return Devices(
        accelerator,
        count,
        min(nominal, _reported(accelerator, memory)),
        resource,
        profile,
    )


def _gpu_named(product: str, labels: Mapping[str, str]) -> str:
    """By GPU feature discovery, else by GKE's label, else by the EC2 instance type."""
    words = re.split(r"[-_ ]", product)
    for word, names in _PRODUCTS:
        if word in words:
            return _by_memory(names, words, labels)
    if label := labels.get(SELECTORS[0]):
        return accelerator_named(label)
    family = labels.get(INSTANCE_TYPE, "").partition(".")[0]
    if family in _EC2_FAMILIES:
        return _EC2_FAMILIES[family]
    raise ValueError(
        f"its GPU {product} is unknown" if product else "nothing tells its GPU: run GPU feature discovery"
    )


def _by_memory(names: tuple[str, ...], words: list[str], labels: Mapping[str, str]) -> str:
    """The one that the product names or that holds what is reported; else the smallest."""
    for name in names:
        if name.rpartition("-")[2].upper() in words:
            return name
    whole = 0 if "-MIG-" in labels.get(PRODUCT, "") else float(labels.get(MEMORY, "0")) / _MIB_IN_GIB
    holding = [name for name in names if 0 < whole <= ACCELERATORS[name].memory_gib]
    return holding[-1] if holding else names[-1]


def _reported(accelerator: str, mebibytes: str | None) -> float:
    """Memory as it is reported, in GiB; nominal where nothing is."""
    nominal = ACCELERATORS[accelerator].memory_gib
    return min(nominal, float(mebibytes) / _MIB_IN_GIB) if mebibytes else nominal
