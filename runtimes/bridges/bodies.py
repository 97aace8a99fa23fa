"""Clients' bodies to tensors or rows and back: V1 as KServe's scikit-learn server reads it, and V2.

Pure. Called by the bridges for every request, and by the runtimes for the golden set: what serves is what
is proved.
"""

import math
from typing import Any

import numpy as np

from turnout.domain.contract import Tensor

_NUMPY = {
    "FP16": np.float16, "FP32": np.float32, "FP64": np.float64, "BOOL": np.bool_,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
}  # fmt: skip


class MalformedError(ValueError):
    """A client's body cannot be read; the message is for the client."""


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


def from_tensors(body: Any, tensor: Tensor) -> list[Any]:
    """The rows of a parsed V2 request: its tensor of that name, or the only one that there is.

    Raises:
        MalformedError: There is none, or its data does not fill its shape.
    """
    try:
        inputs = body["inputs"]
        named = [one for one in inputs if one["name"] == tensor.name] or inputs
        shape, data = named[0]["shape"], np.asarray(named[0]["data"]).reshape(-1)
    except (LookupError, TypeError, ValueError) as error:
        raise MalformedError(f"Expected a JSON object with inputs: {error}") from error
    if len(named) != 1:
        raise MalformedError(f"Expected one input, called {tensor.name}")
    if data.size != math.prod(shape):
        raise MalformedError(f"{data.size} values for the shape {shape}")
    return list(data.reshape(shape).tolist())


def to_tensors(model: str, rows: Any, tensor: Tensor, identity: Any = None) -> dict[str, Any]:
    """Rows as the answer that a V2 client gets."""
    values = np.asarray(rows)
    if values.ndim == 1 and len(tensor.shape) > 1:
        values = values.reshape(-1, *tensor.shape[1:])
    named = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(values.shape)}
    known = {} if identity is None else {"id": identity}
    return {"model_name": model, **known, "outputs": [{**named, "data": values.reshape(-1).tolist()}]}
