"""Is the access log still telling everything? Pure.

A log that stands still looks like a route without traffic. So what was read is held against the router's own
count of completed requests: the log is fresh when all that was completed one look ago has been read by now,
or some looks ago where lines come over the network.
"""

from dataclasses import dataclass, replace

QUIET_LOOKS = 5
"""Looks without a newly completed request after which lines that never came are given up: nothing is being
missed now, and a candidate is not sent back at night for a line that was lost at noon."""

LOST_LOOKS = 60
"""Looks in a row with lines missing while others came, after which those are given up under traffic too: what
a full disk swallowed never comes. A candidate with traffic was sent back by then, after half the time; this
lets the shadow test of one without go on."""


def _ahead(read: int) -> int:
    """How far the log may be ahead of the count, which is asked for later: a tenth of what was read."""
    return read // 10 + 1 if read else 0


@dataclass(frozen=True, slots=True)
class Backlog:
    """Requests completed by the router and not yet read from its log.

    Attributes:
        completed: The router's count at the last look; None: there is nothing to hold against yet.
        owed: Requests of that count that had not been read then; negative: read before they were counted.
        quiet: Looks since the count last grew.
        lost: Looks in a row that were stale although lines came.
        stale: Why the last look may have missed something; None: all completed at the look before was read.
        late_looks: Looks that a line may come later than that.
        counted: How much the count grew at each of so many looks.
    """

    completed: int | None = None
    owed: int = 0
    quiet: int = 0
    lost: int = 0
    stale: str | None = "the log was not held against the router's count yet"
    late_looks: int = 0
    counted: tuple[int, ...] = ()

    def anew(self) -> "Backlog":
        """Nothing to hold against yet."""
        return Backlog(late_looks=self.late_looks)

    def look(self, read: int, completed: int | None) -> "Backlog":
        """Take one look.

        A count that is missing or went back (the router started again) begins anew, and the first look proves
        nothing. A log that is ahead by more than the moment between the two questions explains holds requests
        that the router does not count as completed (clients that left): those are not set off against later
        gaps.

        Args:
            read: Completed requests read from the log since the last look.
            completed: The router's count, asked for after the log was read; None: it did not answer.
        """
        if completed is None:
            return replace(self.anew(), stale="the router does not tell how many requests it has completed")
        if self.completed is None or completed < self.completed:
            return replace(self.anew(), completed=completed)
        grown = completed - self.completed
        missing = self.owed - read - sum(self.counted)
        quiet = 0 if completed > self.completed else self.quiet + 1
        if quiet >= QUIET_LOOKS:
            return replace(self.anew(), completed=completed, quiet=quiet, stale=None)
        lost = self.lost + (read > 0) if missing > 0 else 0
        if lost >= LOST_LOOKS:
            return replace(self.anew(), completed=completed)
        return replace(
            self,
            completed=completed,
            owed=max(-_ahead(read), self.owed - read + grown),
            quiet=quiet,
            lost=lost,
            stale=f"{missing} completed requests are missing from the access log" if missing > 0 else None,
            counted=(*self.counted, grown)[-self.late_looks :] if self.late_looks else (),
        )
