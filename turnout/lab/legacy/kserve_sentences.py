"""A container of one's own on KServe: sentence embeddings, text by text, as its owner wrote it for the SDK.

    python kserve_sentences.py --model_name NAME --model_dir DIR --http_port PORT --enable_grpc false

A script of the environment `embeddings`: it imports nothing of the project.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import tokenizers
from kserve import Model, ModelServer, model_server
from kserve.errors import InferenceError, InvalidInput

LONGEST_TOKENS = 256


class SentenceModel(Model):  # type: ignore[misc]  # the SDK publishes no types
    """all-MiniLM-L6-v2: the mean of a text's token vectors, at length 1."""

    def __init__(self, name: str, directory: Path) -> None:
        """Keep where the model lies."""
        super().__init__(name)
        self._directory = directory
        self._session: Any = None
        self._tokenizer: Any = None

    def load(self) -> bool:
        """Load tokenizer and model, for one thread a request."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        file = str(self._directory / "model.onnx")
        self._session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self._tokenizer = tokenizers.Tokenizer.from_file(str(self._directory / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST_TOKENS)
        self.ready = True
        return self.ready

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:  # noqa: ARG002
        """Answer a V1 request."""
        texts = payload.get("instances") if isinstance(payload, dict) else None
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise InvalidInput("Expected instances to be a list of texts")
        try:
            return {"predictions": [self._vector(text) for text in texts]}
        except Exception as error:
            raise InferenceError(str(error)) from error

    def _vector(self, text: str) -> list[float]:
        ids = np.array([self._tokenizer.encode(text).ids], dtype=np.int64)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        mean = self._session.run(None, given)[0][0].mean(axis=0)
        return list((mean / np.linalg.norm(mean)).tolist())


def main() -> None:
    """Load the model and serve it."""
    parser = argparse.ArgumentParser(parents=[model_server.parser])
    parser.add_argument("--model_dir", type=Path, required=True)
    arguments, _ = parser.parse_known_args()
    model = SentenceModel(arguments.model_name, arguments.model_dir)
    model.load()
    ModelServer().start([model])


if __name__ == "__main__":
    main()
