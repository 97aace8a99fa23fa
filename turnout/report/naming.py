"""What served a model before, and what it was moved to, in words."""

from turnout.domain.evidence import Phase
from turnout.report.facts import AttemptFacts, ModelFacts

UNKNOWN = "unknown"
_TARGETS = {"triton": "Triton", "ray_serve": "Ray Serve", "vllm": "vLLM", "kserve": "KServe"}


def from_server(model: ModelFacts) -> str:
    """The legacy side, from its InferenceService."""
    found = model.workload
    if found is None:
        return UNKNOWN
    wire = f", {found.wire.upper()}" if found.wire else ""
    return f"KServe ({found.runtime or found.framework}{wire})"


def to_server(model: ModelFacts, attempt: AttemptFacts) -> str:
    """The candidate's side, from the plan, else from what the package phase found."""
    runtime, bridge = model.planned.get("runtime"), model.planned.get("bridge")
    if not isinstance(runtime, str):
        packaged = [e.measurements.get("runtime") for e in attempt.evidence if e.phase is Phase.PACKAGE]
        runtime = next((r for r in reversed(packaged) if isinstance(r, str)), None)
    if runtime is None:
        return UNKNOWN
    name = _TARGETS.get(runtime, runtime)
    return f"{name} behind {_TARGETS.get(bridge, bridge)}" if isinstance(bridge, str) else name
