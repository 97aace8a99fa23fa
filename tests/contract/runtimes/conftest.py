"""Real servers for the runtimes' contract tests: under a supervisor, ended whatever happens."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Tensor, Wire
from turnout.fabric import environments
from turnout.fabric.processes import Processes
from turnout.fabric.state import State
from turnout.fabric.tether import tethered

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


@pytest.fixture(scope="package")
def state() -> Iterator[State]:
    """A state directory with a short name: Ray puts sockets below it."""
    with tempfile.TemporaryDirectory(prefix="turnout-") as directory:
        yield State(Path(directory))


@pytest.fixture(scope="package")
def servers(state: State) -> Iterator[Processes]:
    """A place where servers run; all of them end with the tests."""
    with tethered(state):
        yield Processes(state)


@pytest.fixture(scope="package")
def digits(state: State) -> dict[str, Path]:
    """ONNX models of three features that read them as the digits of a number, by the output's data type."""
    (state.root / "onnx").mkdir()
    files = {kind: state.root / "onnx" / f"{kind}.onnx" for kind in ("FP64", "FP32", "INT64")}
    asked = [(str(file), kind, "number") for kind, file in files.items()]
    python = environments.ensure("convert") / "bin" / "python"
    subprocess.run([python, "-c", _MAKE, json.dumps(asked)], check=True, timeout=60)
    return files


@pytest.fixture(scope="package")
def contract_of() -> Callable[..., Contract]:
    """Makes the contract of a model that reads digits."""

    def make(model: str, wire: Wire, datatype: str, **changes: Any) -> Contract:
        shape = (-1,) if wire is Wire.V1 else (-1, 1)
        return Contract(
            model=model,
            wire=wire,
            inputs=(Tensor(name="features", datatype="FP64", shape=(-1, 3)),),
            outputs=(Tensor(name="number", datatype=datatype, shape=shape),),
            same_answer=SameAnswer(kind=AnswerKind.REGRESSION),
            **changes,
        )

    return make
