"""The accelerators that are known: kind, nominal memory, what each can compute, and the names it goes by."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class AcceleratorKind(StrEnum):
    """What kind of chip a runtime has to be made for."""

    GPU = "gpu"
    TPU = "tpu"


class Accelerator(BaseModel):
    """One kind of accelerator.

    Attributes:
        kind: GPU or TPU.
        memory_gib: Nominal memory in GiB (a TPU's: of each chip).
        capability: CUDA compute capability, which decides on number formats; None on a TPU.
    """

    model_config = ConfigDict(frozen=True)

    kind: AcceleratorKind
    memory_gib: float
    capability: float | None = None


def _gpu(memory_gib: float, capability: float) -> Accelerator:
    return Accelerator(kind=AcceleratorKind.GPU, memory_gib=memory_gib, capability=capability)


def _tpu(memory_gib: float) -> Accelerator:
    return Accelerator(kind=AcceleratorKind.TPU, memory_gib=memory_gib)


ACCELERATORS = {
    "nvidia-v100-16gb": _gpu(16, 7.0),
    "nvidia-v100-32gb": _gpu(32, 7.0),
    "nvidia-t4": _gpu(16, 7.5),
    "nvidia-a10g": _gpu(24, 8.6),
    "nvidia-l4": _gpu(24, 8.9),
    "nvidia-l40s": _gpu(48, 8.9),
    "nvidia-a100-40gb": _gpu(40, 8.0),
    "nvidia-a100-80gb": _gpu(80, 8.0),
    "nvidia-h100-80gb": _gpu(80, 9.0),
    "nvidia-h200-141gb": _gpu(141, 9.0),
    "nvidia-b200": _gpu(180, 10.0),
    "tpu-v4": _tpu(32),
    "tpu-v5e": _tpu(16),
    "tpu-v5p": _tpu(95),
    "tpu-v6e": _tpu(32),
    "tpu7x": _tpu(192),
}
"""Memory by NVIDIA's data sheets and Google's TPU system architecture pages; capability by NVIDIA's list of
CUDA GPUs."""

NAMES = {
    "nvidia-tesla-v100": "nvidia-v100-16gb",
    "nvidia-tesla-t4": "nvidia-t4",
    "nvidia-tesla-a100": "nvidia-a100-40gb",
    "nvidia-h100-mega-80gb": "nvidia-h100-80gb",
    "tpu-v4-podslice": "tpu-v4",
    "tpu-v5-lite-podslice": "tpu-v5e",
    "tpu-v5-lite-device": "tpu-v5e",
    "tpu-v5p-slice": "tpu-v5p",
    "tpu-v6e-slice": "tpu-v6e",
}
"""Names in GKE's node labels where they are others than ours."""

SELECTORS = ("cloud.google.com/gke-accelerator", "cloud.google.com/gke-tpu-accelerator")
"""Node labels of GKE by which a workload asks for an accelerator."""

RESOURCES = {"nvidia.com/gpu": AcceleratorKind.GPU, "google.com/tpu": AcceleratorKind.TPU}
"""Extended resources by which a container asks for whole accelerators."""

MIG = "nvidia.com/mig-"
"""Beginning of the extended resources of MIG slices, `nvidia.com/mig-3g.20gb`."""


def kind_of(resource: str) -> AcceleratorKind | None:
    """Kind of the accelerators that an extended resource counts; None: it counts none that is known."""
    return AcceleratorKind.GPU if resource.startswith(MIG) else RESOURCES.get(resource)


def resource_of(kind: AcceleratorKind) -> str:
    """The extended resource that counts whole accelerators of a kind."""
    return next(resource for resource, counted in RESOURCES.items() if counted is kind)


def accelerator_named(name: str) -> str:
    """Our name of an accelerator.

    Raises:
        ValueError: Nothing is known about it.
    """
    ours = NAMES.get(name, name)
    if ours not in ACCELERATORS:
        raise ValueError(f"unknown accelerator; known are {', '.join(ACCELERATORS)}")
    return ours
