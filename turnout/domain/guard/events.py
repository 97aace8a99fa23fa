"""The events of one look that bets are placed on."""

from enum import IntEnum

from turnout.domain.looks import Look, Pairs


class Event(IntEnum):
    """Columns of the counts of one look, rows of the log factors."""

    CANDIDATE_FAILED = 0
    CANDIDATE_ANSWERED = 1
    LEGACY_FAILED = 2
    RESCUED = 3
    """The candidate failed and legacy answered the same request."""
    UNRESCUED = 4
    """Every other request of the candidate."""
    CANDIDATE_SLOW = 5
    CANDIDATE_FAST = 6
    CANDIDATE_FIRST_SLOW = 7
    CANDIDATE_FIRST_FAST = 8
    NEITHER_DIFFERS = 9
    OLD_DIFFERS = 10
    NEW_DIFFERS = 11
    BOTH_DIFFER = 12


def event_counts(look: Look) -> tuple[int, ...]:
    """Count the events of a look, in the order of `Event`.

    Without both arms in play there is nothing to compare: then only replays count.
    """
    return _requests(look) + _replays(look.pairs) if 0 < look.weight < 1 else _NOTHING + _replays(look.pairs)


_NOTHING = (0,) * Event.NEITHER_DIFFERS


def _requests(look: Look) -> tuple[int, ...]:
    arm = look.candidate
    rescued, unrescued = (0, 0) if arm.rescued is None else (arm.rescued, arm.requests - arm.rescued)
    late, early = (0, 0) if arm.slow_first is None else (arm.slow_first, arm.requests - arm.slow_first)
    return (
        arm.errors,
        arm.requests - arm.errors,
        look.legacy.errors,
        rescued,
        unrescued,
        arm.slow,
        arm.requests - arm.slow,
        late,
        early,
    )


def _replays(pairs: Pairs) -> tuple[int, ...]:
    return (pairs.neither, pairs.old_only, pairs.new_only, pairs.both)
