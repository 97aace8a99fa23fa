"""Opens a model, as the composition's entry names its loader, and answers with it.

Every loader gives an object with `predict(instances) -> predictions`, both lists, the batch first.
"""

import importlib.util
from pathlib import Path
from typing import Any

MODEL_FILES = ("model.joblib", "model.pkl", "model.pickle")


class SKLearn:
    """A scikit-learn model, answered as KServe's sklearnserver answers: with `predict()`."""

    def __init__(self, directory: Path) -> None:
        """Load the model file."""
        import joblib  # noqa: PLC0415 -- only what a package needs is loaded

        files = [directory / name for name in MODEL_FILES if (directory / name).is_file()]
        if len(files) != 1:
            raise FileNotFoundError(f"{len(files)} model files in {directory}, expected 1")
        self._model = joblib.load(files[0])

    def predict(self, instances: list[Any]) -> list[Any]:
        """Answer a batch."""
        import numpy as np  # noqa: PLC0415

        return list(np.asarray(self._model.predict(np.asarray(instances))).tolist())


def python(directory: Path) -> Any:
    """Code of the model's owner: `Predictor(directory)` in `predictor.py`, beside the model's files."""
    spec = importlib.util.spec_from_file_location("predictor", directory / "predictor.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"no predictor.py in {directory}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Predictor(directory)


LOADERS = {"sklearn": SKLearn, "python": python}
"""By the name that a composition gives."""


class Member:
    """One model of a composition: a V1 body in, a V1 body out.

    Args:
        root: Root of the package.
        entry: The composition's entry: loader, and directory below the root.
    """

    def __init__(self, root: Path, entry: dict[str, str]) -> None:
        """Load the model."""
        self._model = LOADERS[entry["loader"]](root / entry["directory"])

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """Answer one request; the answer is plain JSON."""
        instances = body["inputs"] if "inputs" in body else body["instances"]
        return {"predictions": list(self._model.predict(instances))}
