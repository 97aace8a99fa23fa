"""Whom captured exchanges of a model are replayed to, and whether they are now; pure."""

from collections import deque
from dataclasses import dataclass
from statistics import median

from turnout.domain.contract import Contract
from turnout.domain.requests import Arm
from turnout.domain.route import Backend, Route
from turnout.services.shadow.exchange import Exchange

RECENT = 20
"""Latest replays of an arm whose median says whether it is slow now."""


@dataclass(frozen=True, slots=True)
class Target:
    """A live attempt, as the replays see it.

    Attributes:
        attempt: The live attempt.
        weight: The candidate's weight.
        candidate: Its servers.
        legacy: Legacy's servers, called directly: through the router, a replay would count as a client's.
        contract: The model's contract.
        healthy: The sentinel says that the attempt is guarded and nothing speaks against it.
    """

    attempt: str
    weight: float
    candidate: Backend
    legacy: Backend
    contract: Contract
    healthy: bool

    @property
    def replayable(self) -> bool:
        """Whether the contract allows a request to be sent a second time at all."""
        return self.contract.policy.replayable


def target(route: Route, contract: Contract | None, *, healthy: bool) -> Target | None:
    """The target that a route names, or None: no live attempt, or no contract to compare by."""
    if route.attempt is None or route.candidate is None or contract is None:
        return None
    return Target(
        attempt=route.attempt,
        weight=route.weight,
        candidate=route.candidate,
        legacy=route.stable,
        contract=contract,
        healthy=healthy,
    )


def unsuitable(aim: Target | None, exchange: Exchange) -> str | None:
    """Why an exchange is not replayed, in the words that are counted; None where it is."""
    origin = exchange.origin
    if aim is None:
        return "no live attempt"
    if not aim.replayable:
        return "the contract forbids replays"
    if origin.arm is Arm.CANDIDATE and origin.attempt != aim.attempt:
        return "answered by an earlier attempt"
    if origin.arm is Arm.CANDIDATE and origin.answered_by is not Arm.CANDIDATE:
        return "answered by legacy in the candidate's place"
    return None


class Pace:
    """How slow both arms have been with the latest replays: extra load is the first thing to give way."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._recent: dict[Arm, deque[float]] = {arm: deque(maxlen=RECENT) for arm in Arm}

    def saw(self, arm: Arm, seconds: float) -> None:
        """Note how long a replay took, also one that failed."""
        self._recent[arm].append(seconds)

    def too_slow(self, aim: Target) -> Arm | None:
        """The arm with clients that is slow now: legacy always has some, the candidate with a weight."""
        needed = (Arm.LEGACY, Arm.CANDIDATE) if aim.weight > 0 else (Arm.LEGACY,)
        limit = aim.contract.bounds.slow_seconds
        slow = [a for a in needed if len(self._recent[a]) == RECENT and median(self._recent[a]) > limit]
        return slow[0] if slow else None

    def forget(self) -> None:
        """Begin again after a rest."""
        for latest in self._recent.values():
            latest.clear()
