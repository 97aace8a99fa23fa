"""Opens one legacy model file and writes it as ONNX. A script, run by the environment `convert`.

An ONNX file stays as it is; that its tensors are the contract's, and that it runs, is seen here.

A pickle is code, so it is opened here, in a process of its own with a bare environment, and never in the
controlling one. Reads a request (JSON file), writes `model.onnx` and a result (JSON file) beside it; what a
model file prints while it loads goes nowhere that is parsed. Exit status: 0 converted, 3 one clear error.

Request: framework, source, inputs and outputs (as served: name, datatype, shape), kind (labels,
probabilities, regression), examples (a list of tensors, rows of one request each), memory_gib.
Result: error; or model, precision (the one kept), largest_difference_to_model (by precision tried), answers
(one tensor an example), versions; and in both cases warnings.
"""

import json
import resource
import shutil
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, compose, helper

ELEMENT = {"FP32": TensorProto.FLOAT, "FP64": TensorProto.DOUBLE, "INT64": TensorProto.INT64,
           "INT32": TensorProto.INT32, "BOOL": TensorProto.BOOL, "BYTES": TensorProto.STRING}  # fmt: skip
NUMPY = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64, "INT32": np.int32,
         "BYTES": np.object_}  # fmt: skip
WORD = r"(?u)\b\w\w+\b"
"""scikit-learn's own pattern of a word."""
WORD_IN_ONNX = r"[\p{L}\p{N}_][\p{L}\p{N}_]+"
"""The same for onnxruntime, whose own word characters are ASCII: words would be cut at each accent."""
LOCALE = "C.UTF-8"
"""Every image has it; the converter's default, en_US, few: a model in lower case would not load there."""
OPSET = {"": 18, "ai.onnx.ml": 3}
"""What both the lab's onnxruntime and Triton's releases of the last two years read."""

Predict = Callable[[Any], Any]


class CannotConvertError(Exception):
    """One clear line about the model file."""


def main(request_file: str) -> int:
    """Convert as asked; returns the exit status."""
    request = json.loads(Path(request_file).read_text())
    directory = Path(request_file).parent
    limit = int(request["memory_gib"] * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = convert(request, directory)
        except CannotConvertError as error:
            result = {"error": " ".join(str(error).split())}
        except MemoryError:
            result = {"error": f"more memory wanted than the limit of {request['memory_gib']} GiB"}
    # Deprecations are not the owner's business; what is kept speaks of the model (versions that differ).
    kept = [w for w in caught if not issubclass(w.category, (DeprecationWarning, FutureWarning))]
    result["warnings"] = sorted({f"{w.category.__name__}: {' '.join(str(w.message).split())}" for w in kept})[
        :5
    ]
    (directory / "result.json").write_text(json.dumps(result))
    return 3 if "error" in result else 0


def convert(request: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Convert in each precision that there is, and keep the one nearest to the model's own answers."""
    if request["framework"] == "onnx":
        return as_it_is(request, directory)
    readers: dict[str, type[Sklearn | XGBoost]] = {"sklearn": Sklearn, "xgboost": XGBoost}
    reader = readers[request["framework"]]
    model = reader(Path(request["source"]), request["kind"])
    (served,) = request["inputs"]
    (output,) = request["outputs"]
    examples = [
        np.asarray(e, dtype=NUMPY[served["datatype"]]).reshape(-1, *served["shape"][1:])
        for e in request["examples"]
    ]
    expected = [np.asarray(model.predict(e)) for e in examples]
    tried: dict[str, tuple[float, Any, list[Any]]] = {}
    for precision in model.precisions(served["datatype"]):
        try:
            finished = finish(model.to_onnx(precision, served["shape"][-1]), precision, served, output)
            answers = run(finished, served["name"], examples)
        except Exception as error:  # noqa: BLE001 -- converters raise anything; the other precision may do
            failure = f"{type(error).__name__}: {error}"
            continue
        tried[precision] = (distance(expected, answers), finished, answers)
    if not tried:
        raise CannotConvertError(f"{model.kind_of_model} cannot be converted to ONNX: {failure}")
    best = min(tried, key=lambda p: tried[p][0])
    onnx.save_model(tried[best][1], directory / "model.onnx")
    return {
        "model": model.kind_of_model,
        "precision": best,
        "largest_difference_to_model": {p: t[0] for p, t in tried.items()},
        "answers": [a.tolist() for a in tried[best][2]],
        "versions": {p: version(p) for p in ("onnx", "onnxruntime", model.converter, model.library)},
    }


def as_it_is(request: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Take an ONNX file unchanged, once its tensors are the contract's and the examples run."""
    source = Path(request["source"])
    model = opened(source, lambda file: onnx.load(file, load_external_data=False))
    (served,), (output,) = request["inputs"], request["outputs"]
    constants = {constant.name for constant in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    expect("inputs", inputs, served)
    expect("outputs", model.graph.output, output)
    if any(constant.data_location == TensorProto.EXTERNAL for constant in model.graph.initializer):
        raise CannotConvertError("its weights lie in other files: save it as one file first")
    examples = [
        np.asarray(e, dtype=NUMPY[served["datatype"]]).reshape(-1, *served["shape"][1:])
        for e in request["examples"]
    ]
    answers = opened(source, lambda _: run(model, served["name"], examples))
    shutil.copyfile(source, directory / "model.onnx")
    return {
        "model": f"ONNX graph of {model.producer_name or 'an unnamed exporter'}",
        "precision": served["datatype"],
        "largest_difference_to_model": {},
        "answers": [a.tolist() for a in answers],
        "versions": {p: version(p) for p in ("onnx", "onnxruntime")},
    }


def expect(what: str, found: Any, tensor: dict[str, Any]) -> None:
    """See that a file has one tensor, that of the contract: clients and Triton know it by name."""
    kinds = {element: datatype for datatype, element in ELEMENT.items()}
    seen = [
        {"name": value.name, "datatype": kinds.get(value.type.tensor_type.elem_type, "another type"),
         "dimensions": len(value.type.tensor_type.shape.dim)}
        for value in found
    ]  # fmt: skip
    wanted = {**{key: tensor[key] for key in ("name", "datatype")}, "dimensions": len(tensor["shape"])}
    if seen != [wanted]:
        raise CannotConvertError(f"its {what} are {seen}, and the contract's is {wanted}")


class Sklearn:
    """A scikit-learn estimator or pipeline, as joblib or pickle wrote it."""

    converter, library = "skl2onnx", "scikit-learn"

    def __init__(self, source: Path, kind: str) -> None:
        """Open the file: from here on its code runs."""
        import joblib  # noqa: PLC0415 -- each framework is loaded only for its own files

        self._model = opened(source, joblib.load)
        self._kind = kind
        self.kind_of_model = type(self._model).__name__
        wanted = "predict_proba" if kind == "probabilities" else "predict"
        if not hasattr(self._model, wanted):
            raise CannotConvertError(
                f"model file does not load as scikit-learn's: a {self.kind_of_model} without {wanted}"
            )
        self._predict = getattr(self._model, wanted)

    def precisions(self, datatype: str) -> list[str]:
        """Single precision always; double where clients send it: some operators exist in one of them only."""
        if datatype == "BYTES":
            return ["BYTES"]
        return ["FP32", "FP64"] if datatype == "FP64" else ["FP32"]

    def predict(self, rows: Any) -> Any:
        """What KServe's server answers for these rows; text reaches a pipeline as a list."""
        return self._predict(rows.reshape(-1) if rows.dtype == np.object_ else rows)

    def to_onnx(self, precision: str, width: int) -> Any:
        """Convert; the wanted output is the last one."""
        from skl2onnx import to_onnx  # noqa: PLC0415
        from skl2onnx.common.data_types import (  # noqa: PLC0415
            DoubleTensorType,
            FloatTensorType,
            StringTensorType,
        )

        kind = {"FP32": FloatTensorType, "FP64": DoubleTensorType, "BYTES": StringTensorType}[precision]
        classifier = hasattr(self._model, "classes_")
        options: dict[int, dict[str, Any]] = {id(self._model): {"zipmap": False}} if classifier else {}
        for _, part in getattr(self._model, "steps", ()):
            if getattr(part, "analyzer", None) == "word":
                same_word = {"tokenexp": WORD_IN_ONNX} if part.token_pattern == WORD else {}
                options[id(part)] = {"locale": LOCALE, **same_word}
        raw = to_onnx(
            self._model,
            initial_types=[("features", kind([None, width]))],
            options=options,
            target_opset=OPSET,
        )
        return chosen(raw, 1 if self._kind == "probabilities" else 0)


class XGBoost:
    """An XGBoost booster, in JSON, UBJSON or the old binary form."""

    converter, library = "onnxmltools", "xgboost"

    def __init__(self, source: Path, kind: str) -> None:
        """Open the file with the library's own reader."""
        import xgboost  # noqa: PLC0415 -- each framework is loaded only for its own files

        self._xgboost = xgboost
        self._booster = opened(source, lambda file: xgboost.Booster(model_file=str(file)))
        self._booster.feature_names = (
            None  # the converter knows features by position only, and so do the clients
        )
        self._booster.feature_types = None
        self._kind = kind
        settings = json.loads(self._booster.save_config())["learner"]
        self._objective = settings["objective"]["name"]
        self._classifies = self._objective.startswith(("binary:", "multi:"))
        self.kind_of_model = f"Booster ({self._objective})"

    def precisions(self, datatype: str) -> list[str]:  # noqa: ARG002 -- XGBoost casts everything itself
        """XGBoost knows single precision only."""
        return ["FP32"]

    def predict(self, rows: Any) -> Any:
        """What `Booster.predict` answers, or the label of XGBClassifier where the contract says labels."""
        answer = self._booster.predict(self._xgboost.DMatrix(rows))
        if self._kind != "labels":
            return answer
        return answer.argmax(axis=1) if answer.ndim > 1 else (answer > 0.5).astype(np.int64)  # noqa: PLR2004 -- XGBClassifier's own threshold

    def to_onnx(self, precision: str, width: int) -> Any:  # noqa: ARG002
        """Convert; classifiers have two outputs: label and probabilities."""
        from onnxmltools import convert_xgboost  # noqa: PLC0415
        from onnxmltools.convert.common.data_types import FloatTensorType  # noqa: PLC0415

        raw = convert_xgboost(
            self._booster, initial_types=[("features", FloatTensorType([None, width]))], target_opset=15
        )
        return chosen(raw, 0 if self._kind == "labels" or not self._classifies else 1)


def opened(source: Path, read: Callable[[Path], Any]) -> Any:
    """Open a model file; whatever goes wrong becomes one line."""
    try:
        return read(source)
    except MemoryError:
        raise
    except BaseException as error:
        reason = str(error).strip().splitlines()
        raise CannotConvertError(
            f"model file does not load: {type(error).__name__}: {reason[0] if reason else 'no reason given'}"
        ) from error


def chosen(raw: Any, index: int) -> Any:
    """Keep one output of a converted model."""
    kept = raw.graph.output[index]
    del raw.graph.output[:]
    raw.graph.output.append(kept)
    return raw


def finish(raw: Any, precision: str, served: dict[str, Any], output: dict[str, Any]) -> Any:
    """Give a converted model the contract's tensors: names, data types, shapes."""
    model = compose.add_prefix(raw, "converted/")
    graph = model.graph
    graph.name = "converted"  # converters draw a name by chance; the same model is to be the same file
    inner, last = graph.input[0].name, graph.output[0].name
    classes = last_dimension(graph.output[0])
    nodes = []
    if output["shape"][1:] in ([], [1]) and classes == 2:  # noqa: PLR2004 -- a binary model's two classes
        # One number a row of a binary model is the probability of the second class.
        graph.initializer.append(helper.make_tensor("turnout/second", TensorProto.INT64, [1], [1]))
        nodes.append(helper.make_node("Gather", [last, "turnout/second"], ["turnout/positive"], axis=1))
        last = "turnout/positive"
    shape = [-1, *output["shape"][1:]]
    graph.initializer.append(helper.make_tensor("turnout/shape", TensorProto.INT64, [len(shape)], shape))
    nodes.append(cast(last, "turnout/cast", output["datatype"]))
    nodes.append(helper.make_node("Reshape", ["turnout/cast", "turnout/shape"], [output["name"]]))
    graph.node.insert(0, cast(served["name"], inner, precision))
    graph.node.extend(nodes)
    declare(graph.input, served)
    declare(graph.output, output)
    if not any(known.domain == "" for known in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", OPSET[""]))  # tree models alone come without it
    onnx.checker.check_model(model)
    return model


def cast(given: str, made: str, datatype: str) -> Any:
    """Bring a tensor to a data type; text is text already."""
    if datatype == "BYTES":
        return helper.make_node("Identity", [given], [made])
    return helper.make_node("Cast", [given], [made], to=ELEMENT[datatype])


def declare(values: Any, tensor: dict[str, Any]) -> None:
    """Make a tensor the graph's only input or output."""
    del values[:]
    shape = [None if d < 0 else d for d in tensor["shape"]]
    values.append(helper.make_tensor_value_info(tensor["name"], ELEMENT[tensor["datatype"]], shape))


def last_dimension(value: Any) -> int:
    """Length of the last dimension, 0 where it is open or there is only the batch."""
    dims = value.type.tensor_type.shape.dim
    return int(dims[-1].dim_value) if len(dims) > 1 else 0


def run(model: Any, name: str, examples: list[Any]) -> list[Any]:
    """Run the finished model on each example, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return [session.run(None, {name: e})[0] for e in examples]


def distance(expected: list[Any], answers: list[Any]) -> float:
    """Largest difference of two numbers at the same place; for labels 1 where they differ."""
    largest = 0.0
    for one, other in zip(expected, answers, strict=True):
        flat, same = other.reshape((*one.shape[:1], -1)), one.reshape((*one.shape[:1], -1))
        if not np.issubdtype(one.dtype, np.number):
            largest = max(largest, float((flat.astype(str) != same.astype(str)).any()))
            continue
        same = same[:, -1:] if flat.shape[1] == 1 else same
        largest = max(largest, float(np.max(np.abs(flat.astype(float) - same.astype(float)), initial=0.0)))
    return largest


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
