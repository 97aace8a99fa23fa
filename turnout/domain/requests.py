"""What telemetry tells of one client request, and what comparisons tell of one replay.

Written by `turnout.fabric.telemetry` and `turnout.services.shadow`, counted by `turnout.domain.looks`.
"""

from dataclasses import dataclass
from enum import StrEnum

UNDER_WAY_SECONDS = 1.0
"""A longer request is told of again at this pace while it is under way: whether its answer has begun."""


class Arm(StrEnum):
    """The two sides of a route."""

    LEGACY = "legacy"
    CANDIDATE = "candidate"


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One client request as the router saw it.

    Attributes:
        request_id: The router's own id of the request; the same on its start and end.
        model: Name of the model.
        attempt: Attempt that the route named when it chose, or None on a route without one.
        route_version: Version of the route that chose.
        arm: The arm that the route chose (not the one that answered).
        weight: Candidate's weight, in [0, 1], under which the route chose.
        started_seconds: Start, Unix time.
        duration_seconds: From the first byte in to the last byte out; None while in flight.
        first_byte_seconds: From start to the first byte of the answer; None where there was none. Known while
            the answer is still coming: see `UNDER_WAY_SECONDS`.
        status: HTTP status that the client got; None while in flight, 0 where the client left.
        tries: Upstream tries made (1 = no retry).
        answered_by: The arm whose server gave the answer; None where none did.
        broken: The answer had begun and was cut off, and not by the client.
    """

    request_id: str
    model: str
    attempt: str | None
    route_version: str
    arm: Arm
    weight: float
    started_seconds: float
    duration_seconds: float | None = None
    first_byte_seconds: float | None = None
    status: int | None = None
    tries: int = 1
    answered_by: Arm | None = None
    broken: bool = False

    @property
    def rescued(self) -> bool:
        """The candidate was tried and failed, and legacy answered the same request well.

        Where legacy rejects it too (400), the request was the client's own error, and nobody failed.
        """
        well = self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 -- HTTP
        return self.arm is Arm.CANDIDATE and self.tries > 1 and self.answered_by is Arm.LEGACY and well

    @property
    def diverted(self) -> bool:
        """The candidate was chosen but never tried: the router held it to be unguarded."""
        return self.arm is Arm.CANDIDATE and self.tries <= 1 and self.answered_by is Arm.LEGACY

    @property
    def answered(self) -> bool:
        """The client got an answer that is not a server's error (400s are the client's own)."""
        return self.status is not None and 200 <= self.status < 500 and self.status not in (404, 408, 429)  # noqa: PLR2004 -- HTTP


@dataclass(frozen=True, slots=True)
class ComparisonRecord:
    """One captured exchange, replayed and compared by the model's contract.

    Attributes:
        model: Name of the model.
        attempt: The attempt whose candidate was compared.
        at_seconds: When it was compared, Unix time.
        captured_from: The arm that had answered the client.
        new_differs: The candidate's answer differs from legacy's beyond the contract's tolerance.
        old_differs: A second answer of legacy differs from its first; None where it was not asked again.
        new_failed: The candidate did not answer the replay.
        distance: Largest difference seen, in the contract's own measure.
        legacy_seconds: Latency of the replay to legacy, where there was one.
        candidate_seconds: Latency of the replay to the candidate.
        example: Request and both answers, cut to a readable size; kept for differing answers.
    """

    model: str
    attempt: str
    at_seconds: float
    captured_from: Arm
    new_differs: bool
    old_differs: bool | None
    new_failed: bool
    distance: float | None
    legacy_seconds: float | None
    candidate_seconds: float | None
    example: dict[str, object] | None = None
