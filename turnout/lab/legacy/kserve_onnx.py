"""A model server of the KServe SDK for one ONNX model, speaking the Open Inference Protocol (V2) and V1.

    python kserve_onnx.py --model_name NAME --model_dir DIR --http_port PORT --enable_grpc false

A script of the environment `kserve-onnx`: it imports nothing of the project. V2 answers carry every output of
the model under its own name; a V1 answer is the first of them.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer, model_server
from kserve.errors import InferenceError
from kserve.utils.numpy_codec import from_np_dtype
from kserve.utils.utils import generate_uuid, get_predict_input

NUMPY = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}


class OnnxModel(Model):  # type: ignore[misc]  # the SDK publishes no types
    """One ONNX model."""

    def __init__(self, name: str, directory: Path) -> None:
        """Keep where the model lies."""
        super().__init__(name)
        self._file = directory / "model.onnx"
        self._session: Any = None

    def load(self) -> bool:
        """Load the model file, for one thread a request."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(self._file), options, providers=["CPUExecutionProvider"]
        )
        self.ready = True
        return self.ready

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:  # noqa: ARG002
        """Answer a request of either protocol."""
        try:
            given = self._session.get_inputs()[0]
            rows = np.asarray(get_predict_input(payload), dtype=NUMPY[given.type])
            values = self._session.run(None, {given.name: rows})
        except Exception as error:
            raise InferenceError(str(error)) from error
        if not isinstance(payload, InferRequest):
            return {"predictions": values[0].tolist()}
        names = [output.name for output in self._session.get_outputs()]
        return InferResponse(
            response_id=payload.id or generate_uuid(),
            model_name=self.name,
            infer_outputs=[_tensor(name, value) for name, value in zip(names, values, strict=True)],
        )


def _tensor(name: str, value: Any) -> InferOutput:
    tensor = InferOutput(name=name, shape=list(value.shape), datatype=from_np_dtype(value.dtype))
    tensor.set_data_from_numpy(value, binary_data=False)
    return tensor


def main() -> None:
    """Load the model and serve it."""
    parser = argparse.ArgumentParser(parents=[model_server.parser])
    parser.add_argument("--model_dir", type=Path, required=True)
    arguments, _ = parser.parse_known_args()
    model = OnnxModel(arguments.model_name, arguments.model_dir)
    model.load()
    ModelServer().start([model])


if __name__ == "__main__":
    main()
