"""A model so small that a person can check its answers: it reads three features as the digits of a number."""

import json
import subprocess
from pathlib import Path

from turnout.fabric import environments

_MAKE = """
import json, sys
from onnx import TensorProto, checker, helper, save_model
for file, datatype, last in json.loads(sys.argv[1]):
    to = {"FP64": TensorProto.DOUBLE, "FP32": TensorProto.FLOAT, "INT64": TensorProto.INT64}[datatype]
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [-1, 1])
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["product"]),
        helper.make_node("Cast", ["product"], [last], to=to),
    ]
    weights = helper.make_tensor("weights", TensorProto.DOUBLE, [3, 1], [100.0, 10.0, 1.0])
    graph = helper.make_graph(
        nodes, "digits",
        [helper.make_tensor_value_info("features", TensorProto.DOUBLE, [None, 3])],
        [helper.make_tensor_value_info(last, to, [None, 1])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(model)
    save_model(model, file)
"""


def digits_as_onnx(folder: Path) -> dict[str, Path]:
    """Write the model as ONNX files; by the data type of its output `number`."""
    folder.mkdir()
    files = {kind: folder / f"{kind}.onnx" for kind in ("FP64", "FP32", "INT64")}
    asked = [(str(file), kind, "number") for kind, file in files.items()]
    python = environments.ensure("convert") / "bin" / "python"
    subprocess.run([python, "-c", _MAKE, json.dumps(asked)], check=True, timeout=60)
    return files
