"""The files of the suites: `EXPECTATIONS/MODEL/TABLE.yaml`, for the model's owner to edit.

Written out with their defaults when they are first needed, and never written again.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

import yaml

from turnout.domain import default_suites
from turnout.domain.contract import Contract
from turnout.domain.document import Document
from turnout.domain.errors import InvalidInputError
from turnout.domain.expectations import Evidenced, Suite
from turnout.fabric import documents, whole

_MODEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LIMIT = "a suite of expectations (docs/expectations.md)"
_HEAD = """\
# What is expected of {what} of {model}, before anything is concluded from it.
# Yours to edit: written once, from the contract, and never overwritten. A suite that is not met holds its
# phase. The expectations are those of Great Expectations; columns and parameters are in docs/expectations.md.
"""


def load(folder: Path, contract: Contract, table: Evidenced) -> tuple[Suite, Document] | None:
    """Read the suite of a table, which is written with its defaults where there is none.

    Args:
        folder: Folder of the suites.
        contract: The model's contract.
        table: The table.

    Returns:
        The suite, and the document that knows its lines; None where the table says nothing of this model.

    Raises:
        InvalidInputError: The file is wrong; the message names file and line.
        RefusedError: There is no room for it.
    """
    wanted = default_suites.default(contract, table)
    if wanted is None:
        return None
    file = suite_file(folder, contract.model, table)
    if not file.exists():
        _write(file, contract.model, table, wanted)
    found = documents.read(file)
    if len(found) != 1:
        raise InvalidInputError(
            str(file), observed=f"{len(found)} documents", limit=_LIMIT,
            remedy="Write one document, or remove the file: the defaults are written anew.",
        )  # fmt: skip
    return found[0].read_as(Suite, limit=_LIMIT), found[0]


def suite_file(folder: Path, model: str, table: Evidenced) -> Path:
    """Where the suite of a table stands."""
    if not _MODEL.fullmatch(model):
        raise InvalidInputError(
            f"model {model!r}", observed="not a name that Kubernetes allows",
            limit="lower-case letters, digits and dashes", remedy="Name the model as its service is named.",
        )  # fmt: skip
    return folder / model / f"{table}.yaml"


def _write(file: Path, model: str, table: Evidenced, suite: Suite) -> None:
    """Write a suite where there is none; an owner who saves one meanwhile is not overwritten."""
    head = _HEAD.format(what=str(table).replace("_", " "), model=model)
    body = yaml.safe_dump(suite.model_dump(mode="json"), sort_keys=False, default_flow_style=None, width=110)
    staged = file.with_name(f".{file.name}.{os.getpid()}.new")
    whole.write(staged, head + body)
    try:
        with suppress(FileExistsError):
            os.link(staged, file)
    finally:
        staged.unlink()
