"""The migration risk of a workload: a sum that can be read, with its reasons.

The points order models into waves; they measure nothing. A fact that is unknown counts as a risk.
"""

from collections.abc import Callable
from dataclasses import dataclass

from turnout.domain.weights import DEFAULT, RiskGroups, Weights
from turnout.domain.workload import Criticality, Workload


@dataclass(frozen=True, slots=True)
class Factor:
    """One thing that makes a move riskier.

    Attributes:
        name: As the weights file calls it.
        points: What it adds.
        reason: In words.
    """

    name: str
    points: int
    reason: str


@dataclass(frozen=True, slots=True)
class Risk:
    """A workload's risk.

    Attributes:
        factors: Those that hold.
        groups: Where low and medium end.
    """

    factors: tuple[Factor, ...]
    groups: RiskGroups

    @property
    def points(self) -> int:
        """Sum of the factors that hold."""
        return sum(factor.points for factor in self.factors)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The factors' words, each with its points."""
        return tuple(f"{factor.reason} (+{factor.points})" for factor in self.factors)

    @property
    def group(self) -> str:
        """low, medium or high."""
        if self.points <= self.groups.low_up_to:
            return "low"
        return "medium" if self.points <= self.groups.medium_up_to else "high"

    @property
    def sum(self) -> str:
        """The sum as it is read: `2 + 1 = 3 points`."""
        return f"{' + '.join(str(factor.points) for factor in self.factors) or 0} = {self.points} points"


def _has(role: str) -> Callable[[Workload, Weights], bool]:
    return lambda workload, _: any(component.role == role for component in workload.components)


_CONVERTED = frozenset({"sklearn", "xgboost", "lightgbm"})

_FACTORS: tuple[tuple[str, str, Callable[[Workload, Weights], bool]], ...] = (
    (
        "custom_container",
        "a custom container: what it does cannot be read",
        lambda w, _: w.framework == "custom",
    ),
    ("explainer", "an explainer has no counterpart at the target", _has("explainer")),
    ("transformer", "a transformer has to move with it", _has("transformer")),
    ("canary_in_progress", "KServe's own canary is in progress", lambda w, _: w.canary_in_progress),
    ("several_nodes", "it spans several nodes", lambda w, _: bool(w.extra.get("multi_node"))),
    (
        "generated_text",
        "generated text is never equal word for word",
        lambda w, _: w.framework == "huggingface",
    ),
    ("conversion", "converted to ONNX: FP32 arithmetic", lambda w, _: w.framework in _CONVERTED),
    ("high_criticality", "high criticality", lambda w, _: w.criticality is Criticality.HIGH),
    ("unknown_criticality", "criticality unknown", lambda w, _: w.criticality is None),
    ("medium_criticality", "medium criticality", lambda w, _: w.criticality is Criticality.MEDIUM),
    ("interactive", "interactive clients", lambda w, _: w.latency_class == "interactive"),
    ("unknown_latency_class", "latency class unknown", lambda w, _: w.latency_class is None),
    (
        "entangled",
        "it depends on several things",
        lambda w, weights: len(w.dependencies) >= weights.dependencies.entangled_from,
    ),
    ("unknown_protocol", "what its clients speak is unknown", lambda w, _: w.wire is None),
)
"""Every factor by its name in the weights file: its words, and when it holds."""


def risk(workload: Workload, weights: Weights = DEFAULT) -> Risk:
    """Find the factors that hold for a workload."""
    holding = (
        Factor(name, getattr(weights.risk_points, name), reason)
        for name, reason, holds in _FACTORS
        if holds(workload, weights)
    )
    return Risk(tuple(factor for factor in holding if factor.points), weights.risk_groups)
