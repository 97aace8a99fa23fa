"""Reads the prices file."""

from pathlib import Path

from turnout.domain.errors import InvalidInputError
from turnout.domain.prices import Prices
from turnout.fabric import documents


def read(file: Path) -> Prices:
    """Read what nodes cost.

    Raises:
        NotFoundError: There is no such file.
        InvalidInputError: It is wrong; the message names file and line.
    """
    found = documents.read(file)
    if len(found) != 1:
        raise InvalidInputError(
            str(file),
            observed=f"{len(found)} documents",
            limit="one document with prices",
            remedy="Give USD an hour for a node under pools or instance_types.",
        )
    return found[0].read_as(Prices, limit="a file of prices (pools, instance_types: USD an hour for a node)")
