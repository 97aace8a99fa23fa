"""Faults that the lab puts into a candidate after its package was proved.

A file that the lab's serving backend reads at each execution (`turnout/lab/backends`). The package stays as
it was proved: what goes wrong, goes wrong in serving. Called by the lab's demo and by tests.
"""

import json
import os
from enum import StrEnum
from pathlib import Path

from turnout.domain.errors import InvalidInputError

VARIABLE = "TURNOUT_LAB_FAULTS"


class Fault(StrEnum):
    """What can be made to go wrong."""

    REVERSED_FEATURES = "reversed_features"
    """The features arrive in the wrong order: well-formed answers, wrong ones."""
    REVERSED_CLASSES = "reversed_classes"
    """The classes come in the wrong order: each probability stands where another one belongs."""
    ROUNDED_FEATURES = "rounded_features"
    """Preprocessing rounds to one decimal: every answer is a little off, none is absurd."""
    FAILING = "failing"
    """`share` of the requests, in [0, 1], get a server error."""
    HANGING = "hanging"
    """Each execution takes `seconds`: longer than anyone waits."""
    SLOW = "slow"
    """Each execution takes `seconds` more."""
    NONSENSE = "nonsense"
    """Answers far from anything learned."""
    LEAKING = "leaking"
    """Each execution keeps so many `bytes` more, until something kills it."""


class Broken(StrEnum):
    """Kinds of broken candidate that never get to a canary (docs/broken-candidates.md; `tests/heavy`).

    What is broken lies in the package or in serving. Each answers, and answers well-formed.
    """

    WRONG_CLASS_ORDER = "wrong class order"
    """Each probability stands where another class's belongs."""
    ROUNDED_PREPROCESSING = "float rounding in preprocessing"
    """Features are rounded before the model sees them."""
    WRONG_TOKENIZER = "wrong tokenizer"
    """The prompt becomes other tokens."""
    WRONG_CHAT_TEMPLATE = "wrong chat template"
    """The chat becomes another prompt."""
    TRUNCATED_WEIGHTS = "truncated weights"
    """A weight file was cut short on its way."""
    LOST_NORMALISATION = "swapped embeddings normalisation"
    """Vectors point the right way and have other lengths."""
    STALE_VERSION = "stale model version"
    """What was trained on older data, under the same name."""
    CHANGED_SAMPLING = "sampling defaults changed"
    """Where a client says nothing, the server samples in another way."""


PARAMETERS = {
    Fault.FAILING: "share",
    Fault.HANGING: "seconds",
    Fault.SLOW: "seconds",
    Fault.LEAKING: "bytes",
}


def file(state_root: Path, attempt: str) -> Path:
    """Where an attempt's fault is written."""
    return state_root / "faults" / f"{attempt}.json"


def put(state_root: Path, attempt: str, kind: str, **parameters: float) -> Path:
    """Put a fault in; it replaces one that is there.

    Args:
        state_root: The state directory.
        attempt: The attempt whose candidate goes wrong; it need not be deployed yet.
        kind: One of `Fault`.
        **parameters: `share` for failing; `seconds` for hanging and slow; `bytes` for leaking.

    Returns:
        The file that was written.

    Raises:
        InvalidInputError: No such fault, or not the parameter that it takes.
    """
    wanted = {PARAMETERS[Fault(kind)]} if kind in PARAMETERS else set()
    if kind not in list(Fault) or set(parameters) != wanted:
        raise InvalidInputError(
            f"fault {kind}",
            observed=f"parameters {sorted(parameters)}",
            limit=f"one of {', '.join(Fault)}, with {sorted(wanted) or 'no parameter'}",
            remedy="Name the fault and its parameter.",
        )
    path = file(state_root, attempt)
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_suffix(f".{os.getpid()}.tmp")
    staged.write_text(json.dumps({"kind": kind, **parameters}))
    staged.replace(path)
    return path


def lift(state_root: Path, attempt: str) -> None:
    """Take an attempt's fault away; harmless when there is none."""
    file(state_root, attempt).unlink(missing_ok=True)
