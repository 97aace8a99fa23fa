"""Names that become parts of paths, of Envoy's configuration and of log lines: checked before they do."""

import re

from turnout.domain.errors import InvalidInputError

LEGACY = "legacy"
"""The route without an attempt: its folder, and the first part of its version."""

_MODEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


def check_model(model: str) -> str:
    """Return a model's name if it is a DNS-1123 label.

    Raises:
        InvalidInputError: It is not.
    """
    if _MODEL.fullmatch(model):
        return model
    raise InvalidInputError(
        f"model {model!r}",
        observed="not a name of a model",
        limit="a DNS-1123 label: at most 63 of a-z, 0-9 and '-', no '-' at either end",
        remedy="Correct the name; `turnout status` lists the models.",
    )


def check_attempt(model: str, attempt: str) -> str:
    """Return an attempt's id if it is one of this model: `MODEL-N`, N from 1.

    Raises:
        InvalidInputError: It is not.
    """
    if is_attempt(check_model(model), attempt):
        return attempt
    raise InvalidInputError(
        f"attempt {attempt!r}",
        observed=f"not an attempt of {model}",
        limit=f"{model}-N, N counting from 1",
        remedy="Correct the id; `turnout status` shows it.",
    )


def is_attempt(model: str, name: str) -> bool:
    """Whether a name is that of an attempt of a model."""
    prefix, _, number = name.rpartition("-")
    return prefix == model and _NUMBER.fullmatch(number) is not None
