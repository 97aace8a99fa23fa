"""One attempt on the sentinel's round: what is known of it, and when it is next written down. Pure."""

from concurrent.futures import Future
from dataclasses import dataclass, field

from turnout.domain.requests import ComparisonRecord, RequestRecord
from turnout.domain.route import Route, Tombstone
from turnout.fabric.comparison_files import Place
from turnout.fabric.telemetry import Cursor
from turnout.services.sentinel import watch as watching
from turnout.services.sentinel.clock import Now
from turnout.services.sentinel.freshness import Backlog
from turnout.services.sentinel.watch import Judged, Watch

WRITE_SECONDS = 5.0
"""An attempt's journal and record are written this often; at once where the record alone tells of it."""


@dataclass(frozen=True, slots=True)
class Read:
    """What came of one attempt since the last round; `failed` says why it could not be read."""

    requests: tuple[RequestRecord, ...]
    cursor: Cursor | None
    comparisons: tuple[ComparisonRecord, ...]
    place: Place
    failed: str | None = None


@dataclass
class Post:
    """One attempt on the round.

    Attributes:
        watch: What is known of it.
        route: Its route when that was last read.
        backlog: Whether the access log tells everything.
        unwritten: Looks that are judged and not journalled yet.
        saved: What the watch was when its record was last saved.
        write_at: When the journal and the record are next due, on the clock of leases.
        ending: Its rollback while that is under way.
    """

    watch: Watch
    route: Route
    backlog: Backlog = field(default_factory=Backlog)
    unwritten: list[Judged] = field(default_factory=list)
    saved: Watch | None = None
    write_at: float = 0.0
    ending: "Future[Tombstone] | None" = None

    @property
    def attempt(self) -> str:
        """The attempt."""
        return self.watch.record.attempt


def is_due(post: Post, now: Now) -> bool:
    """Whether an attempt's turn to be written has come, or the record alone tells of what changed."""
    return post.saved is None or now.boot_seconds >= post.write_at or watching.urgent(post.saved, post.watch)


def next_turn(turn: float, at: float) -> float:
    """The first turn after a moment; turns keep their distance from those of other attempts."""
    return turn if at < turn else turn + WRITE_SECONDS * (1 + (at - turn) // WRITE_SECONDS)
