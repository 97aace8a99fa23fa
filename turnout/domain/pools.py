"""Node pools that models can be placed on."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from turnout.domain.accelerators import (
    ACCELERATORS,
    MIG,
    Accelerator,
    AcceleratorKind,
    accelerator_named,
    resource_of,
)


class Effect(StrEnum):
    """What a taint does to pods that do not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Taint(BaseModel):
    """A taint that all nodes of a pool carry; a pod placed there has to tolerate it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    value: str = ""
    effect: Effect = Effect.NO_SCHEDULE


class Pool(BaseModel):
    """Nodes that are all alike.

    Attributes:
        name: Unique name.
        accelerator: One of ACCELERATORS, or None.
        accelerators_per_node: How many of them (or of their MIG slices) a node has.
        accelerator_memory_gib: Memory of each; nominal where it is not said (less under MIG).
        cpu: Cores of a node that pods may use.
        memory_gib: Memory of a node that pods may use.
        nodes: Most nodes that the pool may have.
        price_per_hour_usd: Price of one node; None: unknown, never zero by default.
        resource: Extended resource that counts the accelerators; worked out where it is not said.
        node_labels: Labels that exactly this pool's nodes have.
        taints: Taints of its nodes.
        topology: How the chips of a TPU slice are arranged, "4x4".
        hosts_per_slice: Nodes that only one workload can have together; above 1: a multi-host slice.
        mig: Profile of the MIG slices that its accelerators are, "3g.20gb"; None: whole accelerators.
        pods_per_node: Most pods on a node, as the kubelet has it; 110 is Kubernetes' own default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Annotated[str, Field(min_length=1)]
    accelerator: Annotated[str, AfterValidator(accelerator_named)] | None = None
    accelerators_per_node: int = Field(default=0, ge=0)
    accelerator_memory_gib: float | None = Field(default=None, ge=0)
    cpu: float = Field(gt=0)
    memory_gib: float = Field(gt=0)
    nodes: int = Field(ge=1)
    price_per_hour_usd: float | None = Field(default=None, ge=0)
    resource: str | None = Field(default=None, validate_default=True)
    node_labels: dict[str, str] = Field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    topology: str | None = Field(default=None, pattern=r"^\d+(x\d+){1,2}$")
    hosts_per_slice: int = Field(default=1, ge=1)
    mig: str | None = Field(default=None, validate_default=True)
    pods_per_node: int = Field(default=110, ge=1)

    @field_validator("mig")
    @classmethod
    def _mig_worked_out(cls, mig: str | None, info: ValidationInfo) -> str | None:
        resource = info.data.get("resource") or ""
        return mig or (resource.removeprefix(MIG) if resource.startswith(MIG) else None)

    @field_validator("resource")
    @classmethod
    def _resource_worked_out(cls, resource: str | None, info: ValidationInfo) -> str | None:
        accelerator = info.data.get("accelerator")
        return resource or (resource_of(ACCELERATORS[accelerator].kind) if accelerator else None)

    @model_validator(mode="after")
    def _accelerators_fit(self) -> Self:
        if bool(self.accelerators_per_node) != (self.accelerator is not None):
            raise ValueError(f"accelerator {self.accelerator} and {self.accelerators_per_node} on each node")
        nominal = self.chip.memory_gib if self.chip else 0
        if self.chip and (self.accelerator_memory_gib or 0) > nominal:
            raise ValueError(
                f"an {self.accelerator} has {nominal:g} GiB, not {self.accelerator_memory_gib:g}"
            )
        return self

    @model_validator(mode="after")
    def _slices_are_whole(self) -> Self:
        if self.nodes % self.hosts_per_slice:
            raise ValueError(f"{self.nodes} nodes are no whole slices of {self.hosts_per_slice} hosts")
        return self

    @property
    def chip(self) -> Accelerator | None:
        """What is known of its accelerators, or None where it has none."""
        return ACCELERATORS[self.accelerator] if self.accelerator else None

    @property
    def kind(self) -> AcceleratorKind | None:
        """Kind of its accelerators, or None."""
        return self.chip.kind if self.chip else None

    @property
    def memory_of_each_gib(self) -> float:
        """Memory of each accelerator, 0 where there is none."""
        return (self.accelerator_memory_gib or self.chip.memory_gib) if self.chip else 0.0


class Pools(BaseModel):
    """The pools file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pools: tuple[Pool, ...] = Field(min_length=1)

    @field_validator("pools")
    @classmethod
    def _named_once(cls, pools: tuple[Pool, ...]) -> tuple[Pool, ...]:
        names = [pool.name for pool in pools]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two pools are called {twice[0]!r}")
        return pools
