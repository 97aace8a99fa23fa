"""How one route stands, and what may become of it: pure decisions, the same for every router."""

from pydantic import BaseModel, ConfigDict, Field

from turnout.domain.errors import RefusedError
from turnout.domain.route import RouteChange
from turnout.fabric.router.naming import LEGACY
from turnout.fabric.router.refusals import require_live


class Standing(BaseModel):
    """The changing part of a route.

    Attributes:
        model: The model.
        attempt: The live attempt, or None when legacy has everything.
        number: Counts the states of this attempt (or of legacy) from 1.
        weight: Candidate's share in [0, 1].
        capture_share: Share of exchanges captured, in [0, 1].
        step_lease_seconds: How long the weight may stand without a new word.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    attempt: str | None = None
    number: int = 1
    weight: float = Field(default=0.0, ge=0, le=1)
    capture_share: float = Field(default=0.0, ge=0, le=1)
    step_lease_seconds: float | None = None

    @property
    def version(self) -> str:
        """Names this state; never the same for two different ones, as attempts are never used again."""
        return f"{self.attempt or LEGACY}.{self.number}"


def opened(legacy: Standing, attempt: str) -> Standing:
    """The first state of an attempt: weight 0, captured as before."""
    return Standing(model=legacy.model, attempt=attempt, capture_share=legacy.capture_share)


def changed(now: Standing, change: RouteChange) -> Standing:
    """The state after a change.

    Raises:
        RefusedError: The attempt is not the live one, the state is no longer what was read, or a weight is
            given to a route without an attempt.
    """
    require_live(now.model, now.attempt, change.attempt)
    if change.read_version != now.version:
        raise RefusedError(
            f"route of {now.model}",
            observed=f"version {now.version}",
            limit=f"version {change.read_version}, on which the change was decided",
            remedy="Read the route again and decide anew.",
        )
    if change.weight is not None and change.attempt is None:
        raise RefusedError(
            f"route of {now.model}",
            observed=f"weight {change.weight} without an attempt",
            limit="a weight for a live attempt",
            remedy="Open an attempt first.",
        )
    new_word = change.weight is not None or change.step_lease_seconds is not None
    return now.model_copy(
        update={
            "number": now.number + 1,
            "weight": now.weight if change.weight is None else change.weight,
            "capture_share": now.capture_share if change.capture_share is None else change.capture_share,
            "step_lease_seconds": change.step_lease_seconds if new_word else now.step_lease_seconds,
        }
    )
