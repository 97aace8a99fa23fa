"""Train the lab's reader of handwritten digits behind its transformer, and export scans for its clients.

    python train_digits.py MODEL MODEL_DIR PAYLOADS_FILE

A script of the environment `kserve-onnx`: it imports nothing of the project but the transformer beside it.
"""

import json
import shutil
import sys
from pathlib import Path

import digits_transformer as transformer  # type: ignore[import-not-found]  # beside this script
import onnx
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

SEED = 20_240_607
TEST_SHARE = 0.4
PAYLOADS = 400


def main(model: str, directory: Path, payloads: Path) -> None:
    """Train the model, export it with the transformer beside it, and scans that it has not seen."""
    directory.mkdir(parents=True, exist_ok=True)
    payloads.parent.mkdir(parents=True, exist_ok=True)
    scans, labels = load_digits(return_X_y=True)
    train, test, known, _ = train_test_split(
        scans.reshape(-1, 8, 8), labels, test_size=TEST_SHARE, random_state=SEED
    )
    features = transformer.preprocess(train)
    network = MLPClassifier(hidden_layer_sizes=(32,), max_iter=300, random_state=SEED).fit(features, known)
    onnx.save_model(exported(network, features[:1]), directory / "model.onnx")
    shutil.copyfile(str(transformer.__file__), directory / "transformer.py")
    payloads.write_text(json.dumps({"model": model, "rows": test[:PAYLOADS].astype(int).tolist()}))


def exported(network: MLPClassifier, example: object) -> onnx.ModelProto:
    """The network as ONNX: `features` to `probabilities`."""
    options = {id(network): {"zipmap": False}}
    opset = {"": 18, "ai.onnx.ml": 3}
    made = to_onnx(network, example, options=options, target_opset=opset)
    del made.graph.output[0]  # the label; the transformer takes the probabilities
    made.graph.input[0].name, old = "features", made.graph.input[0].name
    for node in made.graph.node:
        node.input[:] = ["features" if name == old else name for name in node.input]
    return made


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
