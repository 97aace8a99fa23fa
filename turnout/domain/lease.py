"""Who of several may act: a lease that the holder renews, and that another takes when it has run out. Pure.

No clock is compared with another machine's: how old a lease is, each reader times by its own clock, from when
it saw the record change. The holder stops trusting it before anyone else may take it.
"""

from dataclasses import dataclass
from enum import Enum

TRUSTED_SHARE = 0.7
"""The holder trusts a renewal for this part of the lease, from before it asked for it; the rest is for clocks
that do not run alike, and for a request that arrives late."""


class Claim(Enum):
    """What to do about the lease now."""

    RENEW = "renew"
    TAKE = "take"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Seen:
    """A lease as one reader knows it.

    Attributes:
        holder: Whose it is; empty: nobody's.
        version: The version of the record; another one is another word of the holder.
        seconds: How long the holder's word counts.
        since_seconds: When this reader first saw this version, by its own monotonic clock.
    """

    holder: str
    version: str
    seconds: float
    since_seconds: float

    def after(self, read: "Seen") -> "Seen":
        """What is known after another look: a version that was known keeps its age."""
        return self if read.version == self.version else read

    def claim(self, identity: str, now_seconds: float) -> Claim:
        """What one of them may do.

        Args:
            identity: Who asks.
            now_seconds: Now, by the same clock as `since_seconds`.
        """
        if self.holder == identity:
            return Claim.RENEW
        if not self.holder or now_seconds - self.since_seconds >= self.seconds:
            return Claim.TAKE
        return Claim.WAIT


def trusted(asked_seconds: float | None, seconds: float, now_seconds: float) -> bool:
    """Whether the holder may still act on its last renewal.

    Args:
        asked_seconds: When it asked for it, by its own monotonic clock; None: it holds nothing.
        seconds: Length of the lease.
        now_seconds: Now.
    """
    return asked_seconds is not None and 0 <= now_seconds - asked_seconds < seconds * TRUSTED_SHARE
