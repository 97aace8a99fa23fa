"""A model server of the KServe SDK for one scikit-learn model, as KServe's own sklearnserver is written.

    python kserve_server.py --model_name NAME --model_dir DIR --http_port PORT --enable_grpc false

A script of the environment `kserve`: it imports nothing of the project. It answers `predict()`.
"""

import argparse
from pathlib import Path
from typing import Any

import joblib
from kserve import Model, ModelServer, model_server
from kserve.errors import InferenceError, ModelMissingError
from kserve.utils.utils import get_predict_input, get_predict_response

MODEL_FILES = ("model.joblib", "model.pkl", "model.pickle")


class SKLearnModel(Model):  # type: ignore[misc]  # the SDK publishes no types
    """One scikit-learn model."""

    def __init__(self, name: str, directory: Path) -> None:
        """Keep where the model lies."""
        super().__init__(name)
        self._directory = directory
        self._model: Any = None

    def load(self) -> bool:
        """Load the model file."""
        files = [self._directory / name for name in MODEL_FILES if (self._directory / name).is_file()]
        if len(files) != 1:
            raise ModelMissingError(str(self._directory))
        self._model = joblib.load(files[0])
        self.ready = True
        return self.ready

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:  # noqa: ARG002
        """Answer a request of either protocol."""
        try:
            return get_predict_response(payload, self._model.predict(get_predict_input(payload)), self.name)
        except Exception as error:
            raise InferenceError(str(error)) from error


def main() -> None:
    """Load the model and serve it."""
    parser = argparse.ArgumentParser(parents=[model_server.parser])
    parser.add_argument("--model_dir", type=Path, required=True)
    arguments, _ = parser.parse_known_args()
    model = SKLearnModel(arguments.model_name, arguments.model_dir)
    model.load()
    ModelServer().start([model])


if __name__ == "__main__":
    main()
