"""The `config.pbtxt` of each model of a repository: pure, so that it can be read in a test.

Names, data types and shapes are those of the contract, so that a V2 client sees the tensors it knows.
Format: https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_configuration.md
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from runtimes.triton.batching import AT_ONCE, Batching
from turnout.domain.contract import Contract, Tensor, Wire
from turnout.domain.errors import UnsupportedError

MAX_BATCH_SIZE = 1024
"""Rows in one execution. Also the largest request that is served, so it is far above what clients send."""


class Backend(StrEnum):
    """Triton's backends that repositories are made for."""

    ONNXRUNTIME = "onnxruntime"
    FIL = "fil"
    PYTORCH = "pytorch"
    PYTHON = "python"


@dataclass(frozen=True)
class Model:
    """One model of a repository.

    Attributes:
        name: Its name, that of its folder.
        backend: What runs it.
        inputs: As Triton serves them.
        outputs: As Triton serves them.
        parameters: Settings of the backend.
        batching: How requests are gathered, where the tensors allow it.
        warm_up: Whether Triton runs one made-up request before it calls the model ready.
    """

    name: str
    backend: Backend
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)
    batching: Batching = AT_ONCE
    warm_up: bool = True

    @property
    def together(self) -> bool:
        """Whether requests can be batched."""
        return batched(self.inputs + self.outputs)


@dataclass(frozen=True)
class Step:
    """One step of an ensemble: a model, and which of the ensemble's tensors its own ones are."""

    model: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def served(tensor: Tensor, wire: Wire) -> Tensor:
    """The tensor as Triton serves it.

    A V1 client never sees tensors, so one value an instance is served as a column, `[-1, 1]`: Triton can
    batch a column, and the bridge flattens it.
    """
    if wire is Wire.V1 and len(tensor.shape) == 1:
        return tensor.model_copy(update={"shape": (*tensor.shape, 1)})
    return tensor


def batched(tensors: tuple[Tensor, ...]) -> bool:
    """Whether Triton can batch: each tensor has the batch first and something behind it."""
    return all(len(t.shape) > 1 and t.shape[0] == -1 for t in tensors)


def of(contract: Contract, batching: Batching = AT_ONCE) -> Model:
    """The one ONNX model that serves a contract.

    Args:
        contract: The contract.
        batching: How its requests are gathered.
    """
    return Model(
        name=contract.model,
        backend=Backend.ONNXRUNTIME,
        inputs=tuple(served(t, contract.wire) for t in contract.inputs),
        outputs=tuple(served(t, contract.wire) for t in contract.outputs),
        batching=batching,
    )


def model_config(model: Model) -> pb.ModelConfig:
    """The configuration of a model.

    Raises:
        UnsupportedError: A tensor has a data type that Triton does not know.
    """
    config = _tensors(model.name, model.inputs, model.outputs)
    config.backend = model.backend
    config.instance_group.add(kind=pb.ModelInstanceGroup.KIND_CPU, count=1)
    for key, value in model.parameters.items():
        config.parameters[key].string_value = value
    if model.together:
        config.dynamic_batching.SetInParent()
        config.dynamic_batching.max_queue_delay_microseconds = model.batching.queue_delay_microseconds
        config.dynamic_batching.preferred_batch_size.extend(model.batching.preferred_batch_sizes)
    if model.warm_up:
        config.model_warmup.append(_warm_up(model.inputs, together=model.together))
    return config


def ensemble_config(
    name: str, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...], steps: tuple[Step, ...]
) -> pb.ModelConfig:
    """The configuration of an ensemble: models one after the other, tensors handed on inside Triton.

    Raises:
        UnsupportedError: A tensor has a data type that Triton does not know.
    """
    config = _tensors(name, inputs, outputs)
    config.platform = "ensemble"
    for step in steps:
        config.ensemble_scheduling.step.add(
            model_name=step.model, model_version=-1, input_map=step.inputs, output_map=step.outputs
        )
    return config


def render(config: pb.ModelConfig) -> str:
    """A configuration as `config.pbtxt` holds it."""
    return text_format.MessageToString(config)


def _tensors(name: str, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> pb.ModelConfig:
    together = batched(inputs + outputs)
    skip = 1 if together else 0
    config = pb.ModelConfig(name=name, max_batch_size=MAX_BATCH_SIZE * together)
    config.input.extend(pb.ModelInput(name=t.name, data_type=_type(t), dims=t.shape[skip:]) for t in inputs)
    config.output.extend(
        pb.ModelOutput(name=t.name, data_type=_type(t), dims=t.shape[skip:]) for t in outputs
    )
    return config


def _warm_up(inputs: tuple[Tensor, ...], *, together: bool) -> pb.ModelWarmup:
    sample = pb.ModelWarmup(name="zeros", batch_size=1 if together else 0, count=1)
    for tensor in inputs:
        dims = [max(d, 1) for d in (tensor.shape[1:] if together else tensor.shape)]
        sample.inputs[tensor.name].CopyFrom(
            pb.ModelWarmup.Input(data_type=_type(tensor), dims=dims, zero_data=True)
        )
    return sample


def _type(tensor: Tensor) -> int:
    name = "TYPE_STRING" if tensor.datatype == "BYTES" else f"TYPE_{tensor.datatype}"
    if name not in dict(pb.DataType.items()):
        raise UnsupportedError(
            f"tensor {tensor.name}",
            observed=f"data type {tensor.datatype}",
            limit="a V2 data type (FP32, INT64, ...)",
            remedy="Correct the data type in the model's contract.",
        )
    return int(pb.DataType.Value(name))
