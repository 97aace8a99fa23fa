"""What the guard holds a candidate to."""

import math
from dataclasses import dataclass

from turnout.domain.contract import Bounds
from turnout.domain.errors import InvalidInputError

SIGNALS = ("errors", "slow", "first_token", "differs")
"""Bad events of one request that can be guarded."""

HORIZON_SECONDS = 86_400.0
"""Declared length of a rollout: a day."""

_SHORTEST_HORIZON_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class GuardBounds:
    """The bounds in force, one tolerated share for each guarded signal.

    Attributes:
        limits: Signal and absolute share tolerated on top (m), for each guarded signal.
        alpha: Chance of a false alarm over one rollout; split evenly over the guarded signals.
        ratio: Tolerated ratio (rho) of the candidate's bad share to legacy's.
        pause_seconds: Longest pause of one arm that is tolerated; block length of both slow signals.
        horizon_seconds: Time over which the promise holds (H). Beyond it the guard goes on: the chance of a
            false alarm within T seconds is at most `alpha * (0.3 + 0.5 * ln(T)/ln(H) + 0.2 * T/H)`.
    """

    limits: tuple[tuple[str, float], ...]
    alpha: float = 0.05
    ratio: float = 1.25
    pause_seconds: float = 5.0
    horizon_seconds: float = HORIZON_SECONDS

    def __post_init__(self) -> None:
        """Refuse what no guard can hold.

        Raises:
            InvalidInputError: A value is outside its range.
        """
        names = [name for name, _ in self.limits]
        if not names or len(set(names)) != len(names) or not set(names) <= set(SIGNALS):
            raise _invalid("guarded signals", names, f"one or more of {', '.join(SIGNALS)}, each once")
        for name, limit in self.limits:
            # No differing answer at all is a promise of its own; errors and slowness have no such zero.
            if not (0 < limit < 1 or (name == "differs" and limit == 0)):
                raise _invalid(f"bound of {name}", limit, "a share between 0 and 1, both excluded")
        self._check_numbers()

    def _check_numbers(self) -> None:
        if not 0 < self.alpha < 1:
            raise _invalid("alpha", self.alpha, "a probability between 0 and 1, both excluded")
        if not 1 <= self.ratio < math.inf:
            raise _invalid("ratio", self.ratio, "a finite number of at least 1")
        if not 0 < self.pause_seconds < math.inf:
            raise _invalid("pause_seconds", self.pause_seconds, "a positive number of seconds")
        if not _SHORTEST_HORIZON_SECONDS <= self.horizon_seconds < math.inf:
            limit = f"at least {_SHORTEST_HORIZON_SECONDS:g}"
            raise _invalid("horizon_seconds", self.horizon_seconds, limit)

    @classmethod
    def of(cls, bounds: Bounds, *, horizon_seconds: float = HORIZON_SECONDS) -> "GuardBounds":
        """The bounds of a contract, all of its signals guarded."""
        return cls(
            limits=tuple(bounds.limits().items()),
            alpha=bounds.alpha,
            ratio=bounds.ratio,
            pause_seconds=bounds.pause_seconds,
            horizon_seconds=horizon_seconds,
        )

    @property
    def log_limit(self) -> float:
        """Log wealth at which one signal is decided: ln(number of signals / alpha)."""
        return math.log(len(self.limits) / self.alpha)


def _invalid(subject: str, observed: object, limit: str) -> InvalidInputError:
    return InvalidInputError(subject, observed=str(observed), limit=limit, remedy="Correct the bound.")
