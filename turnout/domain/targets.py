"""Which runtime a workload goes to, by its framework and by what its clients speak."""

from dataclasses import dataclass
from enum import StrEnum

from turnout.domain.composition import FRAMEWORK, is_run
from turnout.domain.contract import Contract
from turnout.domain.workload import Workload


class TargetRuntime(StrEnum):
    """Where models go."""

    TRITON = "triton"
    VLLM = "vllm"
    RAY_SERVE = "ray_serve"


@dataclass(frozen=True, slots=True)
class Way:
    """How models of a framework move.

    Attributes:
        runtime: Where to; None: nowhere that keeps the answers.
        how: What happens to the model, or why it cannot move.
        packaged: Whether Turnout makes the package yet.
    """

    runtime: TargetRuntime | None
    how: str
    packaged: bool = False


WAYS = {
    "sklearn": Way(TargetRuntime.TRITON, "converted to ONNX", packaged=True),
    "xgboost": Way(TargetRuntime.TRITON, "converted to ONNX", packaged=True),
    "lightgbm": Way(
        TargetRuntime.TRITON, "served as it is by FIL: its repository can be generated, and is proved nowhere"
    ),
    "onnx": Way(TargetRuntime.TRITON, "served as it is", packaged=True),
    "pytorch": Way(
        TargetRuntime.TRITON,
        "TorchScript served as it is: its repository can be generated, and is proved nowhere; a handler "
        "becomes a Python model",
    ),
    "triton": Way(TargetRuntime.TRITON, "the same repository, if its backends still exist"),
    "tensorrt": Way(TargetRuntime.TRITON, "its engine, built for the same accelerator"),
    "mlflow": Way(TargetRuntime.RAY_SERVE, "its Python function in a Ray Serve application"),
    "custom": Way(TargetRuntime.RAY_SERVE, "its Python code in a Ray Serve application"),
    "graph": Way(TargetRuntime.RAY_SERVE, "its models composed in one Ray Serve application", packaged=True),
    "tensorflow": Way(None, "Triton has no TensorFlow backend since 25.02, and a conversion is not proved"),
    "pmml": Way(None, "no target runtime reads PMML"),
    "paddle": Way(None, "no target runtime reads Paddle"),
}
"""By framework; Hugging Face models go by their task."""

EMBEDDING = "text_embedding"
"""Task of a Hugging Face server that answers with vectors."""

TASKS = {
    "text_generation": Way(
        TargetRuntime.VLLM, "served as it is, below the path that its clients call", packaged=True
    ),
    EMBEDDING: Way(
        TargetRuntime.VLLM, "vLLM's pooling runner, converted to embed; served as it is", packaged=True
    ),
    "sequence_classification": Way(TargetRuntime.VLLM, "vLLM's pooling runner, converted to classify"),
    "token_classification": Way(TargetRuntime.RAY_SERVE, "transformers in a Ray Serve application"),
    "fill_mask": Way(TargetRuntime.RAY_SERVE, "transformers in a Ray Serve application"),
    "text2text_generation": Way(None, "vLLM serves no encoder-decoder text models"),
}
"""Tasks of KServe's Hugging Face server (its --task argument)."""

_UNDECLARED = Way(
    TargetRuntime.VLLM,
    "no --task declared: taken for generation, as vLLM finds in its configuration",
    packaged=True,
)


_BY_CHANCE = Way(
    TargetRuntime.RAY_SERVE, "its answers hang on chance or on conditions, so that no package can be proved"
)


def way(workload: Workload) -> Way:
    """How a workload moves."""
    if workload.framework == FRAMEWORK and not is_run(workload):
        return _BY_CHANCE
    if workload.framework != "huggingface":
        return WAYS.get(workload.framework, Way(None, f"nothing is known of {workload.framework}"))
    task = workload.extra.get("task")
    return TASKS.get(str(task), Way(None, f"the task {task} is unknown")) if task else _UNDECLARED


def bridge(runtime: TargetRuntime | None, wire: str | None) -> TargetRuntime | None:
    """What stands in front of the runtime so that clients change nothing: Triton does not speak V1."""
    return TargetRuntime.RAY_SERVE if runtime is TargetRuntime.TRITON and wire == "v1" else None


def spoken(workload: Workload, contract: Contract | None) -> str | None:
    """What a model's clients speak; None: unknown.

    A manifest tells the predictor's protocol. Clients of a model with a transformer meet that, so there its
    contract tells; and so it does of embeddings, which KServe's Hugging Face server answers over OpenAI's
    protocol beside the one in the manifest.
    """
    behind = any(component.role == "transformer" for component in workload.components)
    told = behind or workload.extra.get("task") == EMBEDDING
    return str(contract.wire) if told and contract is not None else workload.wire
