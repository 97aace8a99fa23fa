"""Something a user wrote, parsed, with the line of each of its parts: so that every error can name the line.

Made by `turnout.fabric.documents`; read by the parts of the domain that judge what was written.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from turnout.domain.errors import InvalidInputError

Place = tuple[str | int, ...]
"""The way to a part: keys of mappings and indices of lists, from the top."""

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """One parsed document.

    Attributes:
        value: Plain data: dict with text keys, list, str, int, float, bool, None.
        file: Name of the file, or of the object in a cluster, for people.
        lines: Line, from 1, on which each part begins; none for an object of an API server.
        base: Where this document stands in what the lines tell of, when it is a part itself.
    """

    value: Any
    file: str
    lines: Mapping[Place, int] = field(default_factory=dict)
    base: Place = ()

    def where(self, place: Place = ()) -> str:
        """`file:line` of a part; of the nearest part around it where it is not there itself.

        What came from an API server has no lines: there it is the object and the way to the part.
        """
        if not self.lines:
            return f"{self.file} {dotted(place)}" if place else self.file
        way = (*self.base, *place)
        while way and way not in self.lines:
            way = way[:-1]
        return f"{self.file}:{self.lines.get(way, 1)}"

    def at(self, place: Place) -> "Document":
        """The part at a place as a document of its own, its lines kept."""
        value = self.value
        for key in place:
            value = value[key]
        return Document(value=value, file=self.file, lines=self.lines, base=(*self.base, *place))

    def without_nulls(self) -> "Document":
        """The same without the keys that hold null: Kubernetes takes them for absent."""
        return Document(value=_without_nulls(self.value), file=self.file, lines=self.lines, base=self.base)

    def refuse(self, place: Place, *, observed: str, limit: str, remedy: str) -> InvalidInputError:
        """The error that names this part's file and line; the caller raises it."""
        return InvalidInputError(self.where(place), observed=observed, limit=limit, remedy=remedy)

    def read_as(self, kind: type[T], *, limit: str) -> T:
        """Build a record from the document.

        Args:
            kind: The record's type; whether unknown keys are refused is its own business.
            limit: What would have been right, for the error.

        Raises:
            InvalidInputError: The first value that is wrong, with its file and line.
        """
        try:
            # As JSON, because strict means there what a file can hold: no "3" for 3, no true for 1.
            return kind.model_validate_json(json.dumps(self.value), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            remedy = "Correct that line."
            raise self.refuse(first["loc"], observed=_wrong(first), limit=limit, remedy=remedy) from error


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(part) for key, part in value.items() if part is not None}
    return [_without_nulls(part) for part in value] if isinstance(value, list) else value


def _wrong(first: ErrorDetails) -> str:
    key = dotted(first["loc"])
    known = {"missing": f"{key} is missing", "extra_forbidden": f"the key {key} is unknown"}
    if first["type"] in known:
        return known[first["type"]]
    message = first["msg"].removeprefix("Value error, ")
    found = "" if isinstance(first["input"], dict | list) else f" (found {say(first['input'])})"
    return f"{key}: {message}{found}" if key else f"{message}{found}"


def dotted(place: Place) -> str:
    """The way to a part as one short line: a user's key may hold anything."""
    longest = 200
    return repr(".".join(str(part) for part in place))[1:-1][:longest]


def say(value: Any) -> str:
    """A value from a user's file as one short line."""
    longest = 60
    text = repr(value)
    return text if len(text) <= longest else f"{text[:longest]}..."
