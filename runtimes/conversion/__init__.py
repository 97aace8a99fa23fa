"""Turns a legacy model file into ONNX, in the locked environment `convert` and never in this process.

A file that is ONNX already stays as it is, and is tried. Called by `runtimes.triton`; `convert.py` beside it
is the script that runs there.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from runtimes.triton.config import served
from turnout.domain.contract import Contract
from turnout.domain.errors import InvalidInputError, TemporaryError, UnsupportedError
from turnout.fabric import marks

FRAMEWORKS = frozenset({"sklearn", "xgboost", "onnx"})
"""What the script can open."""

SECONDS_LIMIT = 300.0
"""A tabular model converts in 5 s; what takes a hundred times as long hangs."""

MEMORY_GIB_LIMIT = 8.0
"""Address space of the converting process: a broken or hostile file must not take the machine."""

_SCRIPT = Path(__file__).parent / "convert.py"


class Conversion(BaseModel):
    """A model in ONNX, and how near it is to the one it was made from.

    Attributes:
        model_file: The ONNX file.
        model: What was found in the legacy file, for example `RandomForestClassifier`.
        precision: Precision of the ONNX model's numbers: FP32 or FP64.
        largest_difference_to_model: For each precision tried, the largest absolute difference of an answer to
            the legacy model's own answer to the same request (for text labels 1 where one differs); empty
            where nothing was converted.
        answers: The ONNX model's output for each example, as nested lists.
        versions: Versions of the libraries that converted.
        warnings: What they warned of.
    """

    model_config = ConfigDict(frozen=True)

    model_file: Path
    model: str
    precision: str
    largest_difference_to_model: dict[str, float]
    answers: list[Any]
    versions: dict[str, str]
    warnings: list[str]


def convert(
    *,
    environment: Path,
    framework: str,
    source: Path,
    contract: Contract,
    examples: list[Any],
    directory: Path,
) -> Conversion:
    """Convert a model file and run the result on examples.

    Args:
        environment: Directory of the environment `convert`.
        framework: Framework of the model file, one of `FRAMEWORKS`.
        source: The model file.
        contract: Says which output is wanted, and names, data types and shapes of the tensors.
        examples: Input tensors of one request each, as nested lists.
        directory: Where the ONNX file is written.

    Raises:
        UnsupportedError: Not a framework, or not a form of tensors, that can be converted.
        InvalidInputError: The model file does not load or cannot be converted; one line says why.
        TemporaryError: It took longer than `SECONDS_LIMIT`.
    """
    _supported(framework, contract)
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".convert-") as scratch:
        request = _request(framework, source, contract, examples)
        result = _run(environment, Path(scratch), request, subject=f"model {contract.model}: {source}")
        (Path(scratch) / "model.onnx").replace(directory / "model.onnx")
    return Conversion(model_file=directory / "model.onnx", **result)


def _supported(framework: str, contract: Contract) -> None:
    single = len(contract.inputs) == len(contract.outputs) == 1
    if framework not in FRAMEWORKS or not single:
        shape = f"{len(contract.inputs)} inputs and {len(contract.outputs)} outputs"
        raise UnsupportedError(
            f"conversion of {contract.model}",
            observed=f"framework {framework} with {shape}",
            limit=f"one of {', '.join(sorted(FRAMEWORKS))} with one input and one output",
            remedy="Choose a runtime that serves the model as it is.",
        )


def _request(framework: str, source: Path, contract: Contract, examples: list[Any]) -> dict[str, Any]:
    return {
        "framework": framework,
        "source": str(source),
        "kind": contract.same_answer.kind,
        "inputs": [served(t, contract.wire).model_dump(mode="json") for t in contract.inputs],
        "outputs": [served(t, contract.wire).model_dump(mode="json") for t in contract.outputs],
        "examples": examples,
        "memory_gib": MEMORY_GIB_LIMIT,
    }


def _run(environment: Path, scratch: Path, request: dict[str, Any], *, subject: str) -> dict[str, Any]:
    """Run the script with a bare environment: no credentials, no settings, nowhere to reach."""
    (scratch / "request.json").write_text(json.dumps(request))
    command = [str(p) for p in (environment / "bin/python", "-I", "-B", _SCRIPT, scratch / "request.json")]
    bare = {"PATH": os.defpath, "HOME": str(scratch), "OMP_NUM_THREADS": "1", "LANG": "C.UTF-8"}
    # The lab's marks stay, so that a script whose caller was killed is still found and ended with the lab.
    bare |= {name: os.environ[name] for name in (marks.LAB, marks.SERVER) if name in os.environ}
    try:
        ended = subprocess.run(
            command, env=bare, cwd=scratch, capture_output=True, check=False, timeout=SECONDS_LIMIT
        )
    except subprocess.TimeoutExpired as error:
        raise TemporaryError(
            subject, observed="it is still being converted", limit=f"at most {SECONDS_LIMIT:.0f} s",
            remedy="Try again on an idle machine, or serve the model as it is.",
        ) from error  # fmt: skip
    return _result(scratch / "result.json", ended, subject=subject)


def _result(file: Path, ended: subprocess.CompletedProcess[bytes], *, subject: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    if ended.returncode == 0 and result and "error" not in result:
        return result
    raise InvalidInputError(
        subject,
        observed=str(result.get("error") or _death(ended)),
        limit="a model file of the declared framework that converts to ONNX",
        remedy="Check storageUri and framework in the InferenceService, or serve the model as it is.",
    )


def _death(ended: subprocess.CompletedProcess[bytes]) -> str:
    if ended.returncode < 0:
        return f"model file does not load: the process that opened it died of signal {-ended.returncode}"
    last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:]
    return f"the process that opened it ended without a result: {' '.join(last) or ended.returncode}"
