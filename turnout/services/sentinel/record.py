"""All that the sentinel knows of one attempt, as one record: wealth, counts, cursors and clocks together.

Together, because a wealth saved without its cursor would count requests twice, or never.
"""

import hashlib
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from turnout.domain.contract import Bounds
from turnout.domain.guard import SIGNALS
from turnout.domain.route import RoutePolicy, Tombstone
from turnout.fabric.comparison_files import Place
from turnout.fabric.telemetry import Cursor
from turnout.services.sentinel.leases import StepClock

FORMAT = 1
BY = "sentinel"
"""How the sentinel signs its rollbacks."""


class Ended(BaseModel):
    """How an attempt ended: on whose word, why, and on which signal where the guard ended it."""

    model_config = ConfigDict(frozen=True)

    by: str
    reason: str
    at_seconds: float
    signal: str | None = None


def ended_by(tombstone: Tombstone) -> Ended:
    """The end that a tombstone tells of; the sentinel's own reasons begin with the signal that decided."""
    signal = tombstone.reason.partition(":")[0]
    return Ended(
        by=tombstone.by,
        reason=tombstone.reason,
        at_seconds=tombstone.at_seconds,
        signal=signal if tombstone.by == BY and signal in SIGNALS else None,
    )


class Record(BaseModel):
    """One attempt.

    Attributes:
        model: Name of the model.
        attempt: The attempt.
        bounds: The owner's bounds as they were when the attempt was first seen: they hold for all of it.
        policy: Time limits of requests, likewise.
        guarded: Signals that are guarded.
        deterministic: Legacy is taken to agree with itself, because its contract asks for no noise floor.
        weight: The route's weight.
        step: Clock of the step lease.
        weight_clock: Clock of the weight.
        guard: The guard's state.
        counter: Requests that are not due yet, and what is needed to count each once.
        cursor: How far the access log has been read.
        place: How far the comparisons have been read.
        looks: Looks judged.
        verdict: The latest verdict of the guard.
        signal: The signal that decided it.
        evidence: The latest evidence by signal.
        ended: How it ended; None while it is live.
    """

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    model: str
    attempt: str
    bounds: Bounds
    policy: RoutePolicy
    guarded: tuple[str, ...]
    deterministic: bool
    weight: float
    step: StepClock
    weight_clock: StepClock
    guard: str
    counter: str
    cursor: Cursor
    place: Place
    looks: int = 0
    verdict: str = "undecided"
    signal: str | None = None
    evidence: dict[str, dict[str, Any]] = Field(default_factory=dict)
    ended: Ended | None = None


class TornError(Exception):
    """A saved record cannot be trusted: half written, changed, or of another format."""


def sealed(record: Record) -> str:
    """The record as text, its checksum in the first line."""
    text = record.model_dump_json()
    return f"{_checksum(text)}\n{text}\n"


def unsealed(text: str, *, attempt: str) -> Record:
    """Read a record back.

    Raises:
        TornError: The checksum does not fit, or it is not this attempt's record in this format.
    """
    checksum, _, rest = text.partition("\n")
    body = rest.rstrip("\n")
    if checksum != _checksum(body):
        raise TornError("the checksum does not fit")
    try:
        record = Record.model_validate_json(body)
    except ValidationError as error:
        raise TornError(f"not a record of format {FORMAT}: {error.errors()[0]['msg']}") from error
    if (record.format, record.attempt) != (FORMAT, attempt):
        raise TornError(f"format {record.format} of {record.attempt}")
    return record


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
