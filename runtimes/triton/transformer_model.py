"""One side of a KServe transformer as a model of Triton's Python backend: `model.py` of a package.

`transformer.py` beside it is the owner's own file, as it runs in front of the legacy predictor; the parameter
`function` names which of its functions this model is: `preprocess` (instances to the predictor's input) or
`postprocess` (the predictor's output to the answer). Each takes and returns one array, the batch first.

It runs inside Triton's stub process and imports nothing of the rest of the code.
"""

import importlib.util
import json
import os
import sys
from typing import Any

# The lab's stub embeds Python in isolated mode, so PYTHONPATH goes unread: it names the locked environment.
sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]

import numpy as np  # noqa: E402 -- found only from here on
import triton_python_backend_utils as pb  # noqa: E402

TEXT = "TYPE_STRING"


class TritonPythonModel:
    """One function of the transformer; Triton calls `execute` with each batch that it has gathered."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the owner's file."""
        config = json.loads(args["model_config"])
        (given,), (answered,) = config["input"], config["output"]
        self._given, self._answered, self._data_type = given["name"], answered["name"], answered["data_type"]
        self._dims = [int(size) for size in answered["dims"]]
        file = os.path.join(args["model_repository"], args["model_version"], "transformer.py")  # noqa: PTH118 -- plain strings
        self._function = getattr(_loaded(file), config["parameters"]["function"]["string_value"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request on its own: a request that the owner's code refuses fails alone."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        try:
            values = pb.get_input_tensor_by_name(request, self._given).as_numpy()
            found = np.asarray(self._function(_texts(values)))
            shaped = found.reshape((found.shape[0], *self._dims))
            kind = np.object_ if self._data_type == TEXT else pb.triton_string_to_numpy(self._data_type)
            return pb.InferenceResponse([pb.Tensor(self._answered, shaped.astype(kind))])
        except Exception as error:  # noqa: BLE001 -- whatever the owner's code raises is this request's error
            message = f"transformer: {type(error).__name__}: {error}"
            return pb.InferenceResponse(error=pb.TritonError(message, pb.TritonError.INTERNAL))


def _loaded(file: str) -> Any:
    spec = importlib.util.spec_from_file_location("transformer", file)
    if spec is None or spec.loader is None:
        raise ImportError(file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _texts(values: Any) -> Any:
    """Text arrives as bytes; the owner's code takes it as text, as it came in JSON."""
    if values.dtype != np.object_:
        return values
    return np.vectorize(lambda one: one.decode() if isinstance(one, bytes) else one, otypes=[object])(values)
