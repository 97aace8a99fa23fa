"""Where one workload's replicas go, as placement decided it and as manifests carry it out."""

from pydantic import BaseModel, ConfigDict, Field

from turnout.domain.targets import TargetRuntime


class Assignment(BaseModel):
    """One workload on one pool.

    Attributes:
        model: Name of the workload.
        namespace: Its namespace.
        runtime: What serves it.
        pool: Name of the pool.
        replicas: How many replicas run.
        cpu: Cores of one host's pod.
        memory_gib: Memory of one host's pod, in GiB.
        accelerators: Accelerators of one host's pod; 0: none.
        hosts: Hosts of one replica; above 1 it spans a multi-host slice (or several nodes), all or nothing.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    namespace: str
    runtime: TargetRuntime
    pool: str
    replicas: int = Field(ge=1)
    cpu: float = Field(gt=0)
    memory_gib: float = Field(gt=0)
    accelerators: int = Field(default=0, ge=0)
    hosts: int = Field(default=1, ge=1)
