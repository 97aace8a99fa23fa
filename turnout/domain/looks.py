"""What the guard sees: the counts of one look (one second) for both arms.

Made from request records by `turnout.domain.counting` at fixed boundaries, read from files by `turnout
judge`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """Requests of one arm that started in the look's second, judged at fixed times after their start.

    Attributes:
        requests: All of them.
        errors: Not answered, or answered with an error, or rescued by the other arm.
        slow: Not answered within the slow limit.
        rescued: Of the errors, those that legacy answered in the candidate's place; None where unknown.
        slow_first: Those whose first byte came later than its limit or never; None where it is not counted.
    """

    requests: int = 0
    errors: int = 0
    slow: int = 0
    rescued: int | None = None
    slow_first: int | None = None


@dataclass(frozen=True, slots=True)
class Pairs:
    """Compared replays by outcome: does the new answer differ, does legacy's second answer differ."""

    neither: int = 0
    old_only: int = 0
    new_only: int = 0
    both: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """One look.

    Attributes:
        seconds: Length in seconds.
        weight: Candidate's weight under which these requests started.
        legacy: Counts of the legacy arm.
        candidate: Counts of the candidate's arm.
        pairs: Compared replays since the last look.
        diverted: Requests for which the router chose the candidate but never tried it; in neither arm.
        at_seconds: Unix time at which the look's second began; 0 where unknown.
    """

    weight: float
    legacy: ArmCounts
    candidate: ArmCounts
    seconds: float = 1.0
    pairs: Pairs = Pairs()
    diverted: int = 0
    at_seconds: float = 0.0
