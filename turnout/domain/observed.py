"""What production shows of a workload, each figure with source and window; None is unknown, never zero."""

from pydantic import BaseModel, ConfigDict


class Figure(BaseModel):
    """One measured number.

    Attributes:
        value: In the unit that its field's name says.
        source: The metric that it was worked out from, by name, and of which serving stack.
        window_seconds: Length of time that it is about; None: a moment.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    value: float
    source: str
    window_seconds: float | None = None


class Observed(BaseModel):
    """Traffic, latency, errors and utilisation of one workload as its telemetry shows them.

    Attributes:
        requests_per_second: Mean over the window.
        latency_p50_seconds: Median time of a request.
        latency_p99_seconds: 99th percentile.
        error_share: Failed requests in [0, 1].
        cpu_cores: Cores used, all replicas together.
        memory_gib: Memory used, all replicas together.
        accelerator_share: Utilisation of its accelerators in [0, 1], mean over replicas.
    """

    model_config = ConfigDict(frozen=True)

    requests_per_second: Figure | None = None
    latency_p50_seconds: Figure | None = None
    latency_p99_seconds: Figure | None = None
    error_share: Figure | None = None
    cpu_cores: Figure | None = None
    memory_gib: Figure | None = None
    accelerator_share: Figure | None = None
