"""The owners' contracts: one YAML file a model, `MODEL.yaml`, that its owner reads and edits."""

import re
from collections.abc import Iterable
from pathlib import Path

import yaml

from turnout.domain.contract import Contract
from turnout.domain.errors import InvalidInputError, NotFoundError
from turnout.domain.inventory import Problem
from turnout.fabric import documents, whole

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LIMIT = "a contract (docs/lifecycle.md)"


def load(folder: Path, model: str) -> Contract:
    """Read a model's contract.

    Raises:
        NotFoundError: The model has no contract.
        InvalidInputError: It is wrong; the message names file and line.
    """
    file = _file(folder, model)
    if not file.is_file():
        raise NotFoundError(
            f"contract of {model}",
            observed=f"no file {file}",
            limit="a contract for every model that is moved",
            remedy=f"Let the owner of {model} write one; every bound but the answer's has a default.",
        )
    found = documents.read(file)
    if len(found) != 1:
        raise InvalidInputError(
            str(file), observed=f"{len(found)} documents", limit="one contract", remedy="Write one document."
        )
    contract = found[0].read_as(Contract, limit=_LIMIT)
    if contract.model != model:
        raise found[0].refuse(
            ("model",), observed=f"the contract of {contract.model}", limit=model, remedy="Correct that line."
        )
    return contract


def load_all(folder: Path, models: Iterable[str]) -> tuple[dict[str, Contract], tuple[Problem, ...]]:
    """Read the contracts of those models that have one, and say which of them cannot be used."""
    contracts: dict[str, Contract] = {}
    problems: list[Problem] = []
    for model in models:
        try:
            contracts[model] = load(folder, model)
        except NotFoundError:
            continue
        except InvalidInputError as error:
            problems.append(Problem.of(error))
    return contracts, tuple(problems)


def write(folder: Path, contract: Contract) -> Path:
    """Write a contract, whole or not at all, and return its file."""
    file = _file(folder, contract.model)
    whole.write(file, yaml.safe_dump(contract.model_dump(mode="json"), sort_keys=False))
    return file


def _file(folder: Path, model: str) -> Path:
    if not _NAME.fullmatch(model):
        raise InvalidInputError(
            f"model {model!r}",
            observed="not a name that Kubernetes allows",
            limit="lower-case letters, digits and dashes, at most 63",
            remedy="Name the model as its InferenceService is named.",
        )
    return folder / f"{model}.yaml"
