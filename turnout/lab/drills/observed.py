"""What was seen of one drill: facts alone, as a line of the results keeps them. Pure."""

from pydantic import BaseModel, ConfigDict, Field

from turnout.domain.attempt import Outcome
from turnout.lab.drills.drill import Fault, Stage


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Deed(_Fact):
    """One thing that was done: when (Unix time), and what."""

    at_seconds: float
    did: str


class Request(_Fact):
    """A client's request that failed: when it was sent and when it failed (Unix time), and how."""

    model: str
    sent_seconds: float
    finished_seconds: float
    error: str


class Seen(_Fact):
    """The route as it was seen at one moment (seconds after the fault)."""

    after_seconds: float
    attempt: str | None
    weight: float


class Evidence(_Fact):
    """The evidence kept about a model: how many records there were before, how many of them are there after.

    Attributes:
        before: Records known before the fault.
        kept: Those of them that were read again at the end, and match their digests.
        fault: What was wrong when they were read; empty: nothing.
    """

    before: int
    kept: int
    fault: str = ""


class Observation(_Fact):
    """One drill on one model's migration.

    Attributes:
        drill: Its name.
        fault: What was made to go wrong.
        target: Where.
        stage: Where the migration was.
        model: Whose migration.
        attempt: Which attempt.
        deeds: What was done.
        window_seconds: From the fault until everything was ready again.
        recovered: Whether everything was ready again in time; else what was not.
        requests: Requests of this model's clients in the window.
        failures: Those that failed.
        outage: When no server could have answered, from and to, Unix time; None: one could at all times.
        route: The route before the fault (negative seconds), and whenever it looked different.
        weights: Weights that the contract allows.
        candidate_share: Share of the requests in the window that the candidate answered.
        lease_seconds: The lease that guards against this fault, with what the router needs to notice; None:
            the candidate may go on.
        candidate_last_seconds: The last request that the candidate answered while the fault lasted, after its
            beginning; None: none.
        fault_seconds: How long the fault lasted; None: it lasts until something ends it.
        evidence: The evidence about the model.
        outcome: How the attempt ended.
        by: On whose word.
        reason: Why.
        starts: How often the migration was started again.
    """

    drill: str
    fault: Fault
    target: str
    stage: Stage
    model: str
    attempt: str
    deeds: tuple[Deed, ...]
    window_seconds: float
    recovered: str = ""
    requests: int
    failures: tuple[Request, ...] = ()
    outage: tuple[float, float] | None = None
    route: tuple[Seen, ...]
    weights: tuple[float, ...]
    candidate_share: float = Field(ge=0, le=1)
    lease_seconds: float | None = None
    candidate_last_seconds: float | None = None
    fault_seconds: float | None = None
    evidence: Evidence
    outcome: Outcome | None
    by: str = ""
    reason: str = ""
    starts: int = 1


class Result(_Fact):
    """A line of the results: what was seen, and which promises it breaks; none: the drill is passed."""

    seen: Observation
    broken: tuple[str, ...]
