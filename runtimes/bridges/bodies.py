"""KServe V1 bodies to tensors and back, as KServe's scikit-learn server reads and writes them. Pure.

Called by the bridge for every request, and by `tasks.package` for the golden set:
what serves is what is proved.
"""

from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from turnout.domain.contract import Tensor

_NUMPY = {
    "FP16": np.float16, "FP32": np.float32, "FP64": np.float64, "BOOL": np.bool_,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
}  # fmt: skip


class MalformedError(ValueError):
    """A client's body cannot be read; the message is for the client."""


class Bridged(BaseModel):
    """One model as the bridge serves it; a line of the application's user_config.

    Attributes:
        attempt: The attempt that it belongs to.
        address: gRPC address of the runtime, `host:port`.
        model: Name of the model there.
        input: Tensor that the instances become.
        output: Tensor that the predictions are made of.
        timeout_seconds: How long the runtime may take.
    """

    model_config = ConfigDict(frozen=True)

    attempt: str
    address: str
    model: str
    input: Tensor
    output: Tensor
    timeout_seconds: float


def instances(body: Any) -> list[Any]:
    """The instances of a parsed V1 request: `inputs` where given, else `instances`, as KServe reads them.

    Raises:
        MalformedError: There are none.
    """
    if not isinstance(body, dict):
        raise MalformedError("Expected a JSON object with a list of instances")
    key = "inputs" if "inputs" in body else "instances"
    found = body.get(key)
    if not isinstance(found, list) or not found:
        raise MalformedError(f'Expected "{key}" to be a list with one entry or more')
    return found


def to_tensor(rows: list[Any], tensor: Tensor) -> Any:
    """Instances as an array of the tensor's data type and shape.

    Raises:
        MalformedError: They are of another shape, or hold something else than such numbers.
    """
    found = _texts(rows) if tensor.datatype == "BYTES" else _numbers(rows, tensor.datatype)
    if found.ndim == 1 and tensor.shape[1:] == (1,):
        found = found.reshape(-1, 1)  # one value an instance, which Triton is served as a column
    if found.ndim != len(tensor.shape) or any(
        w not in (-1, f) for f, w in zip(found.shape, tensor.shape, strict=True)
    ):
        raise MalformedError(f"instances have the shape {list(found.shape)}, expected {list(tensor.shape)}")
    return found


def _numbers(rows: list[Any], datatype: str) -> Any:
    wanted = np.dtype(_NUMPY[datatype])
    try:
        found = np.asarray(rows)
    except ValueError as error:
        raise MalformedError("instances are not all of the same shape") from error
    if not np.can_cast(found.dtype, wanted, "same_kind"):
        raise MalformedError(f"instances hold {found.dtype}, expected {datatype}")
    return found.astype(wanted)


def _texts(rows: list[Any]) -> Any:
    """Text as Triton's client takes it: objects, whatever its length."""
    found = np.asarray(rows, dtype=np.object_)
    if not all(isinstance(value, str) for value in found.reshape(-1)):
        raise MalformedError("instances hold something else than text")
    return found


def predictions(answer: Any, tensor: Tensor) -> dict[str, Any]:
    """An output array as a V1 answer: whole numbers as such, text as text, one value an instance flat."""
    values = answer.reshape(-1) if len(tensor.shape) == 1 else answer
    if values.dtype == np.object_:
        values = np.vectorize(_text, otypes=[object])(values)
    return {"predictions": values.tolist()}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
