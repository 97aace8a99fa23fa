"""Standard Triton model repositories, written below a package: NAME/config.pbtxt and NAME/1/FILE.

An ensemble is the transformer's two functions around the predictor, each a model of its own.
"""

import ast
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from runtimes.triton import config
from runtimes.triton.batching import AT_ONCE, Batching
from runtimes.triton.config import Backend, Model, Step
from turnout.domain.contract import Contract, Tensor, Transformer
from turnout.domain.errors import InvalidInputError, UnsupportedError

FOLDER = "repository"
_MODEL_PY = Path(__file__).parent / "transformer_model.py"
_FUNCTIONS = ("preprocess", "postprocess")
_VERSION = "1"


def write_onnx(
    model_file: Path,
    contract: Contract,
    directory: Path,
    batching: Batching = AT_ONCE,
) -> dict[str, Any]:
    """Lay out one ONNX model.

    Args:
        model_file: The ONNX model; its tensors are named as in the contract.
        contract: The contract.
        directory: Root of the package.
        batching: How requests are gathered.

    Returns:
        What the server is started with: repository (path below the root), model, backend.
    """
    write_model(directory, config.of(contract, batching), {"model.onnx": model_file})
    return _started(contract, Backend.ONNXRUNTIME)


def write_ensemble(
    model_file: Path,
    transformer_file: Path,
    contract: Contract,
    directory: Path,
    batching: Batching = AT_ONCE,
) -> dict[str, Any]:
    """Lay out a transformer and its predictor as one ensemble that clients call by the model's name.

    Args:
        model_file: The predictor as ONNX; its tensors are those of the contract's transformer.
        transformer_file: The owner's Python file.
        contract: The contract, with its transformer.
        directory: Root of the package.
        batching: How the predictor's requests are gathered.

    Returns:
        What the server is started with.

    Raises:
        InvalidInputError: The file has neither of the functions.
        UnsupportedError: The contract has more than one input or output.
    """
    chain = _chain(contract, transformer_file, batching)
    code = {"model.py": _MODEL_PY, "transformer.py": transformer_file}
    for model in chain:
        write_model(directory, model, code if model.backend is Backend.PYTHON else {"model.onnx": model_file})
    first, last = _ends(contract)
    return write_whole(directory, contract, _steps(chain, first.name, last.name), Backend.PYTHON)


def write_model(directory: Path, model: Model, files: Mapping[str, Path]) -> None:
    """Write one model: its configuration, and the files of its one version by their names there."""
    version = _put(directory, model.name, config.model_config(model))
    for name, source in files.items():
        shutil.copyfile(source, version / name)


def write_whole(
    directory: Path, contract: Contract, steps: tuple[Step, ...], backend: Backend
) -> dict[str, Any]:
    """Write the ensemble that clients call by the contract's names; what the server is started with."""
    inputs = tuple(config.served(t, contract.wire) for t in contract.inputs)
    outputs = tuple(config.served(t, contract.wire) for t in contract.outputs)
    whole = config.ensemble_config(contract.model, inputs, outputs, steps)
    # Triton wants the folder of a version, and a package holds no empty ones.
    told = "".join(f"{step.model}\n" for step in steps)
    (_put(directory, contract.model, whole) / "steps.txt").write_text(told)
    return _started(contract, backend)


def predictor(contract: Contract) -> Contract:
    """The contract of the predictor behind a transformer, as the transformer calls it."""
    if contract.transformer is None:
        return contract
    inner = contract.transformer
    return contract.model_copy(
        update={"inputs": (inner.input,), "outputs": (inner.output,), "transformer": None}
    )


def predicting(contract: Contract, batching: Batching = AT_ONCE) -> Model:
    """The predictor as a model of an ensemble.

    Raises:
        UnsupportedError: The contract has no transformer, or more than one input or output.
    """
    inner = _transformer(contract)
    name = f"{contract.model}-predictor"
    return Model(name, Backend.ONNXRUNTIME, (inner.input,), (inner.output,), batching=batching)


def functions(file: Path) -> tuple[str, ...]:
    """Which of the two functions a transformer's file defines; it is read here, and never run.

    Raises:
        InvalidInputError: It is no Python, or has neither.
    """
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise _no_transformer(file, f"{type(error).__name__}: {error}") from error
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    found = tuple(name for name in _FUNCTIONS if name in defined)
    if not found:
        raise _no_transformer(file, f"functions {sorted(defined)}")
    return found


def _chain(contract: Contract, file: Path, batching: Batching) -> tuple[Model, ...]:
    """The models in the order that a request passes them."""
    inner, names = _transformer(contract), functions(file)
    first, last = _ends(contract)
    name = contract.model
    models = [predicting(contract, batching)]
    if "preprocess" in names:
        models.insert(0, _function(f"{name}-preprocess", "preprocess", first, inner.input))
    if "postprocess" in names:
        models.append(_function(f"{name}-postprocess", "postprocess", inner.output, last))
    return tuple(models)


def _transformer(contract: Contract) -> Transformer:
    single = len(contract.inputs) == len(contract.outputs) == 1
    if contract.transformer is None or not single:
        raise UnsupportedError(
            f"ensemble of {contract.model}",
            observed=f"{len(contract.inputs)} inputs and {len(contract.outputs)} outputs",
            limit="a transformer that takes one tensor and answers with one",
            remedy="Move it by hand, or choose another runtime.",
        )
    return contract.transformer


def _function(name: str, function: str, given: Tensor, answered: Tensor) -> Model:
    # A made-up request of zeros need not be one that the owner's code takes: it is not warmed up with one.
    return Model(name, Backend.PYTHON, (given,), (answered,), {"function": function}, warm_up=False)


def _ends(contract: Contract) -> tuple[Tensor, Tensor]:
    """What the ensemble's clients see."""
    (given,), (answered,) = contract.inputs, contract.outputs
    return config.served(given, contract.wire), config.served(answered, contract.wire)


def _steps(chain: tuple[Model, ...], first: str, last: str) -> tuple[Step, ...]:
    """Hand each model's output to the next one under a name of the ensemble's own; the ends keep theirs."""
    names = [first, *(f"{model.name}-output" for model in chain[:-1]), last]
    return tuple(
        Step(model.name, {model.inputs[0].name: names[i]}, {model.outputs[0].name: names[i + 1]})
        for i, model in enumerate(chain)
    )


def _put(directory: Path, name: str, rendered: Message) -> Path:
    """Write a model's configuration; returns the folder of its one version."""
    version = directory / FOLDER / name / _VERSION
    version.mkdir(parents=True, exist_ok=True)
    (version.parent / "config.pbtxt").write_text(config.render(rendered))
    return version


def _started(contract: Contract, backend: Backend) -> dict[str, Any]:
    return {"repository": FOLDER, "model": contract.model, "backend": str(backend)}


def _no_transformer(file: Path, observed: str) -> InvalidInputError:
    return InvalidInputError(
        f"transformer {file}",
        observed=observed,
        limit=f"a Python file with {' or '.join(_FUNCTIONS)}, each from one array to one array",
        remedy="Write them there as the transformer runs them, or correct transformer.file in the contract.",
    )
