"""Real servers for the runtimes' contract tests: under a supervisor, ended whatever happens."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.digits import digits_as_onnx
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Tensor, Wire
from turnout.fabric.processes import Processes
from turnout.fabric.state import State
from turnout.fabric.tether import tethered


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
    return digits_as_onnx(state.root / "onnx")


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
