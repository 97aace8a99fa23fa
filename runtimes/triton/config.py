"""The `config.pbtxt` of a model, rendered from its contract: pure, so that it can be read in a test.

Names, data types and shapes are those of the contract, so that a V2 client sees the tensors it knows.
Format: https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_configuration.md
"""

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from turnout.domain.contract import Contract, Tensor, Wire
from turnout.domain.errors import UnsupportedError

MAX_BATCH_SIZE = 1024
"""Rows in one execution. Also the largest request that is served, so it is far above what clients send."""


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


def model_config(contract: Contract, *, warm_up: bool = True) -> pb.ModelConfig:
    """The configuration of a contract's model.

    Args:
        contract: The contract.
        warm_up: Whether Triton runs one made-up request before it calls the model ready.

    Raises:
        UnsupportedError: A tensor has a data type that Triton does not know.
    """
    inputs = tuple(served(t, contract.wire) for t in contract.inputs)
    outputs = tuple(served(t, contract.wire) for t in contract.outputs)
    together = batched(inputs + outputs)
    skip = 1 if together else 0
    config = pb.ModelConfig(
        name=contract.model, backend="onnxruntime", max_batch_size=MAX_BATCH_SIZE * together
    )
    config.input.extend(pb.ModelInput(name=t.name, data_type=_type(t), dims=t.shape[skip:]) for t in inputs)
    config.output.extend(
        pb.ModelOutput(name=t.name, data_type=_type(t), dims=t.shape[skip:]) for t in outputs
    )
    config.instance_group.add(kind=pb.ModelInstanceGroup.KIND_CPU, count=1)
    if together:
        # No queue delay: what has gathered while the model was busy is batched, nothing waits for company.
        config.dynamic_batching.SetInParent()
    if warm_up:
        config.model_warmup.append(_warm_up(inputs, together=together))
    return config


def render(contract: Contract) -> str:
    """The configuration as `config.pbtxt` holds it."""
    return text_format.MessageToString(model_config(contract))


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
