"""Reads from the owners file who owns which model and when nothing may move; codes are kept elsewhere."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from turnout.domain.calendar import Calendar, Freeze
from turnout.domain.document import Document
from turnout.fabric import documents


class _Owner(BaseModel):
    """What the file says about one owner; contact and the like pass unread."""

    model_config = ConfigDict(extra="ignore")

    models: tuple[str, ...] = ()
    freezes: tuple[Freeze, ...] = ()


class _OwnersFile(BaseModel):
    """The owners file."""

    model_config = ConfigDict(extra="ignore")

    owners: dict[str, _Owner] = Field(default_factory=dict)
    calendar: Calendar = Calendar()


_LIMIT = "owners, each with models, and a calendar"


def read(file: Path) -> dict[str, str]:
    """Read the owner of each model that the file names.

    Raises:
        NotFoundError: There is no such file.
        InvalidInputError: It is wrong, or gives a model to two owners; the message names file and line.
    """
    owned: dict[str, str] = {}
    for document in documents.read(file):
        for owner, said in document.read_as(_OwnersFile, limit=_LIMIT).owners.items():
            for index, model in enumerate(said.models):
                _check_free(document, owned, (owner, index, model))
                owned[model] = owner
    return owned


def calendar(file: Path) -> Calendar:
    """Read when waves may move: the file's calendar with every owner's own freezes.

    Raises:
        NotFoundError: There is no such file.
        InvalidInputError: It is wrong; the message names file and line.
    """
    found = [document.read_as(_OwnersFile, limit=_LIMIT) for document in documents.read(file)]
    said = next((one.calendar for one in found if one.calendar != Calendar()), Calendar())
    freezes = {owner: it.freezes for one in found for owner, it in one.owners.items() if it.freezes}
    return said.model_copy(update={"owners": {**said.owners, **freezes}})


def _check_free(document: Document, owned: dict[str, str], entry: tuple[str, int, str]) -> None:
    owner, index, model = entry
    if model in owned:
        raise document.refuse(
            ("owners", owner, "models", index),
            observed=f"{model} belongs to {owned[model]} and to {owner}",
            limit="one owner for each model",
            remedy="Remove it from one of the two.",
        )
