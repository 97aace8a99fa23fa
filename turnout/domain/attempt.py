"""One try at moving a model, and what is known of its course."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from turnout.domain.route import Backend


class Attempt(BaseModel):
    """One try at moving a model, with the package that it moves.

    Attributes:
        id: `MODEL-N`, N counting from 1; never used again.
        model: The model.
        number: N.
        package: Version of the package in the registry; None until packaged.
        plan_digest: Digest of the plan's line for this model.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    model: str
    number: int
    package: str | None = None
    plan_digest: str = ""


def next_attempt(model: str, known: list[str]) -> Attempt:
    """The attempt that follows the known ids of a model."""
    number = 1 + max((int(i.rsplit("-", 1)[1]) for i in known if i.rsplit("-", 1)[0] == model), default=0)
    return Attempt(id=f"{model}-{number}", model=model, number=number)


class Outcome(StrEnum):
    """How an attempt ended, or that it stands at its final weight."""

    CUT_OVER = "cut_over"
    RETIRED = "retired"
    """Legacy is scaled down: what the attempt had deployed has all the traffic, and no control beside it."""
    STOPPED_IN_SHADOW = "stopped_in_shadow"
    ROLLED_BACK = "rolled_back"
    REJECTED = "rejected"
    ABANDONED = "abandoned"


class End(BaseModel):
    """What became of an attempt: the outcome, whose word it was, and why."""

    model_config = ConfigDict(frozen=True)

    outcome: Outcome
    by: str
    reason: str
    at_seconds: float


class Retirement(BaseModel):
    """Legacy that is scaled down, and what it takes to bring it back.

    Attributes:
        model: The model.
        attempt: The attempt whose servers have taken its place.
        stable: Legacy's servers, as the router knew them.
        successor: The attempt's servers.
        at_seconds: When, Unix time.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    attempt: str
    stable: Backend
    successor: Backend
    at_seconds: float


class Hold(BaseModel):
    """A migration that is to stay where it is: who asked for it, and why."""

    model_config = ConfigDict(frozen=True)

    by: str
    reason: str
    at_seconds: float


class Progress(BaseModel):
    """What an attempt's migration was last seen doing: the phase or gate, in which run of Prefect."""

    model_config = ConfigDict(frozen=True)

    doing: str
    run: str | None
    at_seconds: float
