"""What the report knows: facts as they were read, without any conclusion."""

from dataclasses import dataclass, field
from typing import Any

from turnout.domain.approval import Approval
from turnout.domain.attempt import Attempt, End
from turnout.domain.contract import Contract
from turnout.domain.evidence import Evidence
from turnout.domain.requests import ComparisonRecord, RequestRecord
from turnout.domain.workload import Workload


@dataclass(frozen=True, slots=True)
class ClientCall:
    """One request as the client itself recorded it; times are Unix seconds."""

    scheduled_seconds: float
    finished_seconds: float
    ok: bool
    status: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RouteEvent:
    """One line of the router's history.

    Attributes:
        event: register, open, change or roll_back.
        weight: Candidate's weight after it.
    """

    at_seconds: float
    event: str
    attempt: str | None
    weight: float
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LookRow:
    """One line of the sentinel's journal: what it saw and what it made of it."""

    at_seconds: float
    weight: float
    verdict: str
    signal: str | None
    evidence: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Breach:
    """The sentinel's account of its own rollback; `signal` is None where none breached (a lease ran out)."""

    at_seconds: float
    signal: str | None
    reason: str = ""


@dataclass(frozen=True)
class AttemptFacts:
    """Everything that was read about one attempt.

    Attributes:
        id: `MODEL-N`.
        number: N.
        record: The flows' own record of it.
        end: What the flows say became of it.
        ended: The router's tombstone of it.
        fault_seconds: When a fault was put into it, where the lab says so.
    """

    id: str
    number: int
    record: Attempt | None = None
    end: End | None = None
    looks: tuple[LookRow, ...] = ()
    breach: Breach | None = None
    comparisons: tuple[ComparisonRecord, ...] = ()
    approvals: tuple[Approval, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    ended: RouteEvent | None = None
    fault_seconds: float | None = None


@dataclass(frozen=True)
class ModelFacts:
    """Everything that was read about one model."""

    name: str
    calls: tuple[ClientCall, ...] = ()
    events: tuple[RouteEvent, ...] = ()
    requests: tuple[RequestRecord, ...] = ()
    attempts: tuple[AttemptFacts, ...] = ()
    workload: Workload | None = None
    contract: Contract | None = None
    planned: dict[str, Any] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    golden: int = 0


@dataclass(frozen=True)
class Facts:
    """Everything that was read.

    Attributes:
        taken_seconds: When it was read, Unix time.
        last_seconds: The newest thing that was read of: whatever is not over lasts until then.
        models: A model each, by name.
        notes: What could not be read, in words for the reader.
    """

    taken_seconds: float
    last_seconds: float
    models: tuple[ModelFacts, ...] = ()
    notes: tuple[str, ...] = ()
