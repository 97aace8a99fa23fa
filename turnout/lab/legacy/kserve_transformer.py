"""A transformer of the KServe SDK: a process of its own that calls the predictor over HTTP, as in a cluster.

    python kserve_transformer.py --model_name NAME --model_dir DIR --http_port PORT \
        --predictor_host HOST:PORT --predictor_protocol v2

A script of the environment `kserve-onnx`: it imports nothing of the project. What it does is the owner's
`transformer.py` beside the model; V1 to the clients, V2 to the predictor.
"""

import argparse
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from kserve import InferInput, InferRequest, Model, ModelServer, model_server
from kserve.errors import InvalidInput
from kserve.utils.numpy_codec import from_np_dtype


class Transformer(Model):  # type: ignore[misc]  # the SDK publishes no types
    """The owner's two functions around the predictor.

    Args:
        name: Name of the model.
        file: The owner's file.
        tensor: Name of the predictor's input.
    """

    def __init__(self, name: str, file: Path, tensor: str) -> None:
        """Load the owner's file."""
        super().__init__(name)
        self._tensor = tensor
        spec = importlib.util.spec_from_file_location("transformer", file)
        if spec is None or spec.loader is None:
            raise ImportError(str(file))
        self._code = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self._code)
        self.ready = True

    async def preprocess(self, payload: Any, headers: Any = None) -> Any:  # noqa: ARG002
        """Instances to the predictor's tensor."""
        try:
            values = self._code.preprocess(np.asarray(payload["instances"]))
        except (LookupError, TypeError, ValueError) as error:
            raise InvalidInput(str(error)) from error
        given = InferInput(name=self._tensor, shape=list(values.shape), datatype=from_np_dtype(values.dtype))
        given.set_data_from_numpy(values, binary_data=False)
        return InferRequest(model_name=self.name, infer_inputs=[given])

    async def postprocess(self, result: Any, headers: Any = None, response_headers: Any = None) -> Any:  # noqa: ARG002
        """The predictor's tensor to predictions."""
        return {"predictions": self._code.postprocess(result.outputs[0].as_numpy()).tolist()}


def main() -> None:
    """Serve the transformer."""
    parser = argparse.ArgumentParser(parents=[model_server.parser])
    parser.add_argument("--model_dir", type=Path, required=True)
    parser.add_argument("--tensor", default="features")
    arguments, _ = parser.parse_known_args()
    file = arguments.model_dir / "transformer.py"
    ModelServer().start([Transformer(arguments.model_name, file, arguments.tensor)])


if __name__ == "__main__":
    main()
