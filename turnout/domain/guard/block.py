"""Blocks of the slow signals: slow requests come in bursts of one arm, which no router randomises."""

from dataclasses import dataclass

from turnout.domain.looks import ArmCounts, Look

BLOCK_SIGNALS = ("slow", "first_token")
"""Signals that are bet on once a block, in the order of a block's excesses."""


@dataclass(frozen=True, slots=True)
class Block:
    """Counts of the block under way.

    Blocks have a fixed length, whatever they hold. One without a request on either arm is not bet on; that
    depends on the arrivals alone, so it is no choice by outcome. Waiting for both arms instead would weigh
    the arms by different moments of a drift.

    Attributes:
        seconds: Length so far.
        legacy: Requests of legacy.
        legacy_slow: Slow ones of them.
        legacy_slow_first: Those whose first byte was late; None once some look did not tell.
        candidate: Requests of the candidate.
        candidate_slow: As of legacy.
        candidate_slow_first: As of legacy.
    """

    seconds: float = 0.0
    legacy: int = 0
    legacy_slow: int = 0
    legacy_slow_first: int | None = 0
    candidate: int = 0
    candidate_slow: int = 0
    candidate_slow_first: int | None = 0

    def plus(self, look: Look) -> "Block":
        """Add a look."""
        return Block(
            self.seconds + look.seconds,
            self.legacy + look.legacy.requests,
            self.legacy_slow + look.legacy.slow,
            _sum(self.legacy_slow_first, look.legacy),
            self.candidate + look.candidate.requests,
            self.candidate_slow + look.candidate.slow,
            _sum(self.candidate_slow_first, look.candidate),
        )

    def excesses(self, limits: dict[str, float], *, ratio: float) -> tuple[float | None, ...]:
        """Excess `y_c - rho*y_l - m` of each of `BLOCK_SIGNALS`.

        None where it is not guarded, either arm had no request, or the counts are not known.
        """
        counts = (
            (self.candidate_slow, self.legacy_slow),
            (self.candidate_slow_first, self.legacy_slow_first),
        )
        return tuple(
            self._excess(new, old, bound=limits.get(signal), ratio=ratio)
            for signal, (new, old) in zip(BLOCK_SIGNALS, counts, strict=True)
        )

    def _excess(self, new: int | None, old: int | None, *, bound: float | None, ratio: float) -> float | None:
        if not (self.candidate and self.legacy) or new is None or old is None or bound is None:
            return None
        return new / self.candidate - ratio * (old / self.legacy) - bound


def _sum(before: int | None, arm: ArmCounts) -> int | None:
    if not arm.requests:
        return before
    return None if before is None or arm.slow_first is None else before + arm.slow_first


EMPTY = Block()
"""The block before its first look."""
