"""Reads the pools file."""

from pathlib import Path

from turnout.domain.errors import InvalidInputError
from turnout.domain.pools import Pool, Pools
from turnout.fabric import documents


def read(file: Path) -> tuple[Pool, ...]:
    """Read the pools.

    Raises:
        NotFoundError: There is no such file.
        InvalidInputError: It is wrong; the message names file and line.
    """
    found = documents.read(file)
    if len(found) != 1:
        raise InvalidInputError(
            str(file),
            observed=f"{len(found)} documents",
            limit="one document with pools",
            remedy="List the pools under one key, pools.",
        )
    return found[0].read_as(Pools, limit="a file of node pools (pools: a list)").pools
