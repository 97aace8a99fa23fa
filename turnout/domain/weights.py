"""Thresholds, points and shares that order and size an estate: choices, not measurements.

The defaults stand here; `turnout/weights.yaml` is the same as a file to copy and edit, and
`turnout.fabric.weights` reads what the user made of it. What a file leaves out keeps its default.
"""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_Points = Annotated[int, Field(ge=0, le=1_000)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Traffic(_Part):
    """Where traffic counts as high and as low, in requests a second.

    Attributes:
        high_from: Above it a rollout's evidence takes minutes: 20 a second convict a failure of one in ten in
            38 s (docs/lifecycle.md).
        low_below: Below it a step's evidence takes longer than its hour.
    """

    high_from: float = Field(default=10.0, gt=0)
    low_below: float = Field(default=0.1, ge=0)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low_below > self.high_from:
            raise ValueError(f"low_below ({self.low_below:g}) is above high_from ({self.high_from:g})")
        return self


class Dependencies(_Part):
    """From how many dependencies and further components on a workload counts as entangled."""

    entangled_from: int = Field(default=3, ge=1)


class Points(_Part):
    """Points of migration risk; a fact that is unknown counts as a risk."""

    custom_container: _Points = 6
    explainer: _Points = 4
    transformer: _Points = 3
    canary_in_progress: _Points = 3
    several_nodes: _Points = 3
    generated_text: _Points = 3
    conversion: _Points = 2
    high_criticality: _Points = 3
    medium_criticality: _Points = 1
    unknown_criticality: _Points = 2
    interactive: _Points = 1
    unknown_latency_class: _Points = 1
    entangled: _Points = 2
    unknown_protocol: _Points = 1


class RiskGroups(_Part):
    """Most points of the low and of the medium group; a converted model with all facts known is low."""

    low_up_to: int = Field(default=4, ge=0)
    medium_up_to: int = Field(default=8, ge=0)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.medium_up_to < self.low_up_to:
            raise ValueError(f"medium_up_to ({self.medium_up_to}) is below low_up_to ({self.low_up_to})")
        return self


class Sizing(_Part):
    """How models are sized.

    Attributes:
        memory_utilisation: Share of an accelerator's memory that the engine may take: 0.9, the documented
            default of vLLM's --gpu-memory-utilization.
        overhead_share: On top of the weights, for activations and buffers: at most 20 % in the experience of
            EleutherAI (Transformer Math 101).
        observed_margin: On top of cores and memory that are known from telemetry alone: 15 %, the
            recommendation margin of Kubernetes' vertical pod autoscaler.
    """

    memory_utilisation: float = Field(default=0.9, gt=0, le=1)
    overhead_share: float = Field(default=0.2, ge=0)
    observed_margin: float = Field(default=0.15, ge=0)


class Weights(_Part):
    """All of them."""

    traffic: Traffic = Traffic()
    dependencies: Dependencies = Dependencies()
    risk_points: Points = Points()
    risk_groups: RiskGroups = RiskGroups()
    sizing: Sizing = Sizing()


DEFAULT = Weights()
"""What holds where the user says nothing."""
