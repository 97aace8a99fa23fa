"""Train one of the lab's models on a data set that comes with scikit-learn, and export its test split.

    python train.py MODEL MODEL_DIR PAYLOADS_FILE

A script of the model's own environment (kserve, kserve-onnx, mlserver): it imports nothing of the project.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.model_selection import train_test_split

SEED = 20_240_607
TEST_SHARE = 0.4


def iris(directory: Path) -> Any:
    """A classifier of three kinds of iris: answers with the label."""
    import joblib  # noqa: PLC0415 -- each environment holds only its own model's libraries
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    train, test, labels, _ = split(load_iris)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(train, labels)
    joblib.dump(model, directory / "model.joblib")
    return test


def diabetes(directory: Path) -> Any:
    """A regressor of the progression of diabetes: answers with a number between about 25 and 350."""
    import joblib  # noqa: PLC0415
    from sklearn.ensemble import GradientBoostingRegressor  # noqa: PLC0415

    train, test, targets, _ = split(load_diabetes)
    model = GradientBoostingRegressor(n_estimators=60, max_depth=3, random_state=SEED).fit(train, targets)
    joblib.dump(model, directory / "model.joblib")
    return test


def cancer(directory: Path) -> Any:
    """A booster that finds benign tumours: answers with the probability."""
    import xgboost  # noqa: PLC0415

    train, test, labels, _ = split(load_breast_cancer)
    parameters = {"objective": "binary:logistic", "max_depth": 3, "eta": 0.2, "nthread": 1, "seed": SEED}
    booster = xgboost.train(parameters, xgboost.DMatrix(train, labels), num_boost_round=60)
    booster.save_model(directory / "model.json")
    return test


def wine(directory: Path) -> Any:
    """A network that tells three growers apart, exported as ONNX: answers with a probability for each."""
    import onnx  # noqa: PLC0415
    from skl2onnx import to_onnx  # noqa: PLC0415
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    train, test, labels, _ = split(load_wine)
    network = MLPClassifier(hidden_layer_sizes=(16,), max_iter=2000, random_state=SEED)
    model = make_pipeline(StandardScaler(), network).fit(train, labels)
    exported = to_onnx(
        model,
        train[:1].astype("float32"),
        options={id(model): {"zipmap": False}},
        target_opset={"": 18, "ai.onnx.ml": 3},
    )
    del exported.graph.output[0]  # the label; its clients take the probabilities
    exported.graph.input[0].name, old = "features", exported.graph.input[0].name
    for node in exported.graph.node:
        node.input[:] = ["features" if name == old else name for name in node.input]
    onnx.save_model(exported, directory / "model.onnx")
    return test


def severity(directory: Path) -> Any:
    """Two models of a graph: one estimates the progression of diabetes, the next one grades the estimate."""
    import joblib  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression, Ridge  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    train, test, targets, _ = split(load_diabetes)
    scales = np.column_stack([targets, np.log(targets)])
    estimate = make_pipeline(StandardScaler(), Ridge()).fit(train, scales)
    grades = np.digitize(targets, np.quantile(targets, [1 / 3, 2 / 3]))
    grade = make_pipeline(StandardScaler(), LogisticRegression()).fit(estimate.predict(train), grades)
    for name, model in (("progression", estimate), ("grade", grade)):
        (directory / name).mkdir(exist_ok=True)
        joblib.dump(model, directory / name / "model.joblib")
    return test


def split(load: Callable[..., Any]) -> Any:
    """Features and targets, split into training and test rows; the same at every run."""
    features, targets = load(return_X_y=True)
    return train_test_split(features, targets, test_size=TEST_SHARE, random_state=SEED)


MODELS: dict[str, Callable[[Path], Any]] = {
    "iris": iris,
    "diabetes": diabetes,
    "cancer": cancer,
    "wine": wine,
    "severity": severity,
}


def main(model: str, directory: Path, payloads: Path) -> None:
    """Train a model, save it, export its test rows."""
    directory.mkdir(parents=True, exist_ok=True)
    payloads.parent.mkdir(parents=True, exist_ok=True)
    rows = MODELS[model](directory)
    payloads.write_text(json.dumps({"model": model, "rows": rows.tolist()}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
