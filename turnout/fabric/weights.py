"""Reads the weights file."""

from pathlib import Path

from turnout.domain.errors import InvalidInputError
from turnout.domain.weights import DEFAULT, Weights
from turnout.fabric import documents

SHIPPED = Path(__file__).parents[1] / "weights.yaml"
"""All defaults as a file to copy."""


def read(file: Path | None) -> Weights:
    """Read the user's weights; the defaults without a file.

    Raises:
        NotFoundError: There is no such file.
        InvalidInputError: It is wrong; the message names file and line.
    """
    if file is None:
        return DEFAULT
    found = documents.read(file)
    if len(found) != 1:
        raise InvalidInputError(
            str(file),
            observed=f"{len(found)} documents",
            limit="one document with weights",
            remedy=f"Begin with a copy of {SHIPPED.name}, which comes with the package.",
        )
    return found[0].read_as(Weights, limit="a file of weights (traffic, risk_points, sizing, ...)")
