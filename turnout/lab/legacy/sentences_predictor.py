"""The sentence embedding model as its owner serves it on Ray Serve: texts in, vectors out.

Stored as `predictor.py` beside the model's files; it runs in the environment `ray-models` and imports nothing
of the project. Pooling and normalisation are those that the model's `modules.json` names.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import tokenizers

LONGEST_TOKENS = 256


class Predictor:
    """One replica's model."""

    def __init__(self, directory: Path) -> None:
        """Load tokenizer and model, for one thread a request."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(directory / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._tokenizer.enable_padding()
        self._tokenizer.enable_truncation(LONGEST_TOKENS)
        modules = json.loads((directory / "modules.json").read_text())
        self._normalises = any(module["type"].endswith("Normalize") for module in modules)

    def predict(self, instances: list[str]) -> list[list[float]]:
        """One vector a text; all texts of a request in one batch."""
        found = self._tokenizer.encode_batch(instances)
        mask = np.array([one.attention_mask for one in found], dtype=np.int64)
        vectors = self._pooled(np.array([one.ids for one in found], dtype=np.int64), mask)
        if self._normalises:
            vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return list(vectors.tolist())

    def _pooled(self, ids: Any, mask: Any) -> Any:
        """The mean over each text's tokens."""
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        states = self._session.run(None, given)[0]
        return (states * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
