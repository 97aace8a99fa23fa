"""The two leases; pure. Time comes in as a value.

The guard lease says that the sentinel sees; the step lease says that somebody still wants this weight.
"""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from turnout.services.sentinel.clock import Now


@dataclass(frozen=True, slots=True)
class GuardLease:
    """Renewed only by having judged fresh data.

    Attributes:
        seconds: How long one renewal lasts.
        renewed_boot_seconds: When it was last renewed; None: never in this process.
        blind_since_boot_seconds: Since when looking has failed; None while the last look succeeded.
    """

    seconds: float
    renewed_boot_seconds: float | None = None
    blind_since_boot_seconds: float | None = None

    def renewed(self, boot_seconds: float) -> "GuardLease":
        """After a look at fresh data."""
        return GuardLease(self.seconds, renewed_boot_seconds=boot_seconds)

    def failed(self, boot_seconds: float) -> "GuardLease":
        """After a look that did not see fresh data; the time is counted from the first such look.

        Not from the last renewal: a sentinel that was stopped for a minute looks first and judges afterwards.
        """
        since = self.blind_since_boot_seconds
        return GuardLease(
            self.seconds,
            renewed_boot_seconds=self.renewed_boot_seconds,
            blind_since_boot_seconds=boot_seconds if since is None else since,
        )

    def fresh(self, boot_seconds: float) -> bool:
        """Whether the router may trust this sentinel now."""
        renewed = self.renewed_boot_seconds
        return renewed is not None and 0 <= boot_seconds - renewed < self.seconds

    def blind_seconds(self, boot_seconds: float) -> float:
        """For how long looking has failed."""
        since = self.blind_since_boot_seconds
        return 0.0 if since is None else boot_seconds - since


class StepClock(BaseModel):
    """When a version of the route was first seen, so that its step lease runs on over a restart.

    Attributes:
        version: The route's version; each new one is a new word from whoever moves the model.
        boot_id: The start of the machine in which it was seen.
        boot_seconds: When, on the clock that is never set back.
        unix_seconds: When, by the wall clock: all there is after the machine started anew.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    boot_id: str
    boot_seconds: float
    unix_seconds: float

    @classmethod
    def begin(cls, version: str, now: Now) -> "StepClock":
        """Start the clock of a version."""
        return cls(
            version=version, boot_id=now.boot_id, boot_seconds=now.boot_seconds, unix_seconds=now.unix_seconds
        )

    def elapsed_seconds(self, now: Now) -> float:
        """How long the version has stood."""
        if self.boot_id == now.boot_id:
            return now.boot_seconds - self.boot_seconds
        return max(0.0, now.unix_seconds - self.unix_seconds)

    def ran_out(self, lease_seconds: float | None, now: Now) -> bool:
        """Whether a step lease of this length is over; None never is."""
        return lease_seconds is not None and self.elapsed_seconds(now) >= lease_seconds
