"""Models that Triton's own backends read as they are: TorchScript (PyTorch) and tree models (FIL).

Both backends name their tensors by number (`INPUT__0`, `input__0`), so the model stands behind an ensemble of
one step that wears the contract's names: clients see the tensors that they know. The lab's tritonserver has
neither backend: what is generated is held by tests of its text, and `runtimes.triton.server.check` refuses to
start it. Parameters: https://github.com/triton-inference-server/fil_backend/blob/main/docs/model_config.md,
https://github.com/triton-inference-server/pytorch_backend.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtimes.triton import config, repository
from runtimes.triton.config import Backend, Model, Step
from turnout.domain.contract import AnswerKind, Contract, Tensor
from turnout.domain.errors import UnsupportedError

FIL_FILES = {
    ".json": ("xgboost_json", "xgboost.json"),
    ".ubj": ("xgboost_ubj", "xgboost.ubj"),
    ".bst": ("xgboost", "xgboost.model"),
    ".txt": ("lightgbm", "model.txt"),
    ".tl": ("treelite_checkpoint", "checkpoint.tl"),
}
"""By a file's ending: FIL's name of its format, and the file name that FIL looks for."""


TORCHSCRIPT_FILES = frozenset({".pt", ".pth"})


def write_torchscript(model_file: Path, contract: Contract, directory: Path) -> dict[str, Any]:
    """Lay a TorchScript file out; its inputs and outputs are the contract's, in that order.

    Returns:
        What the server is started with.

    Raises:
        UnsupportedError: Not a TorchScript file: a handler is code, and no model.
    """
    if model_file.suffix not in TORCHSCRIPT_FILES:
        raise _unsupported(contract, f"the file {model_file.name}", "a TorchScript file (.pt)")
    model = _numbered(contract, Backend.PYTORCH, "{side}__{number}", str.upper, {"INFERENCE_MODE": "true"})
    return _write(model, model_file, "model.pt", contract, directory)


def write_fil(model_file: Path, contract: Contract, directory: Path) -> dict[str, Any]:
    """Lay a tree model out: XGBoost, LightGBM, or what Treelite has saved.

    Returns:
        What the server is started with.

    Raises:
        UnsupportedError: FIL does not read such a file (pickles least of all), or takes no such tensors.
    """
    if model_file.suffix not in FIL_FILES:
        raise _unsupported(
            contract, f"the file {model_file.name}", f"one that ends in {', '.join(FIL_FILES)}"
        )
    tensors = (*contract.inputs, *contract.outputs)
    if len(tensors) != 2 or any(t.datatype != "FP32" for t in tensors):  # noqa: PLR2004 -- one each
        kinds = ", ".join(f"{t.name} {t.datatype}" for t in tensors)
        raise _unsupported(
            contract, kinds, "one input and one output, both FP32: FIL computes in nothing else"
        )
    kind, name = FIL_FILES[model_file.suffix]
    parameters = {"model_type": kind, **_answers(contract), "storage_type": "AUTO"}
    model = _numbered(contract, Backend.FIL, "{side}__{number}", str.lower, parameters)
    return _write(model, model_file, name, contract, directory)


def _answers(contract: Contract) -> dict[str, str]:
    """What FIL answers with, as the legacy server does.

    One number a row is what `Booster.predict` gives: a value, or the probability of the second class; FIL
    answers a class where it is told that it classifies. That setting was renamed in 25.09; each release minds
    its own name.
    """
    columns = contract.outputs[0].shape[-1] if len(contract.outputs[0].shape) > 1 else 1
    kind = contract.same_answer.kind
    classifies = kind is AnswerKind.LABELS or (kind is AnswerKind.PROBABILITIES and columns > 1)
    said = str(classifies).lower()
    probabilities = str(kind is AnswerKind.PROBABILITIES and columns > 1).lower()
    return {"is_classifier": said, "output_class": said, "predict_proba": probabilities}


def _numbered(
    contract: Contract, backend: Backend, form: str, case: Callable[[str], str], parameters: dict[str, str]
) -> Model:
    """The model under its backend's own names."""

    def numbered(side: str, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(
            config.served(t, contract.wire).model_copy(
                update={"name": form.format(side=case(side), number=number)}
            )
            for number, t in enumerate(tensors)
        )

    return Model(
        f"{contract.model}-{backend}", backend, numbered("input", contract.inputs),
        numbered("output", contract.outputs), parameters,
    )  # fmt: skip


def _write(model: Model, model_file: Path, name: str, contract: Contract, directory: Path) -> dict[str, Any]:
    repository.write_model(directory, model, {name: model_file})
    step = Step(
        model.name,
        {own.name: told.name for own, told in zip(model.inputs, contract.inputs, strict=True)},
        {own.name: told.name for own, told in zip(model.outputs, contract.outputs, strict=True)},
    )
    return repository.write_whole(directory, contract, (step,), model.backend)


def _unsupported(contract: Contract, observed: str, limit: str) -> UnsupportedError:
    return UnsupportedError(
        f"package of {contract.model} for triton", observed=observed, limit=limit,
        remedy="Bring the model in that form, as ONNX, or choose another runtime.",
    )  # fmt: skip
