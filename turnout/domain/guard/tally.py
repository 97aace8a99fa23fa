"""What the guard has looked at so far, and what a look adds to it besides wealth."""

from dataclasses import dataclass
from typing import NamedTuple

from turnout.domain.errors import InvalidInputError
from turnout.domain.guard.block import EMPTY, Block
from turnout.domain.guard.bounds import GuardBounds
from turnout.domain.guard.starts import NEVER, Starts, log_share
from turnout.domain.looks import Look


class Placed(NamedTuple):
    """What is bet at a look besides its requests.

    Attributes:
        starts: What the breach tests get for another start.
        excesses: Excesses of the block that ends with the look; None where none ends.
    """

    starts: Starts
    excesses: tuple[float | None, ...] | None


@dataclass(frozen=True, slots=True)
class Tally:
    """Times and counts.

    Attributes:
        weight: Weight of the step under way.
        looks: Looks with both arms in play since the rollout began.
        seconds: Their time.
        block_seconds: Time of the blocks of the slow signals that were bet on.
        replay_seconds: Time of the looks with compared replays.
        block: The block under way.
        step_looks: Looks since the step began.
        step_legacy: Requests of legacy since the step began.
        step_candidate: Requests for which the router chose the candidate since then, diverted ones included.
    """

    weight: float = 0.0
    looks: int = 0
    seconds: float = 0.0
    block_seconds: float = 0.0
    replay_seconds: float = 0.0
    block: Block = EMPTY
    step_looks: int = 0
    step_legacy: int = 0
    step_candidate: int = 0

    def anew(self, weight: float) -> "Tally":
        """Begin a step. The open block is given up: its shares would mix two weights."""
        return Tally(weight, self.looks, self.seconds, self.block_seconds, self.replay_seconds)

    def plus(self, look: Look, bounds: GuardBounds) -> tuple["Tally", Placed]:
        """Add a look; under another weight it begins a new step.

        Raises:
            InvalidInputError: The candidate has requests although the weight leaves one arm nothing.
        """
        if look.weight != self.weight:
            return self.anew(look.weight).plus(look, bounds)
        compared = 0 < look.weight < 1
        if look.candidate.requests and not compared:
            raise _no_control(look)
        block = self.block.plus(look) if compared else self.block
        excesses, block_seconds = None, 0.0
        if block.seconds >= bounds.pause_seconds:
            block, excesses, block_seconds = _closed(block, bounds)
        pairs = look.pairs
        replayed = pairs.neither + pairs.old_only + pairs.new_only + pairs.both > 0
        of_block = _start(bounds, self.block_seconds, block_seconds)
        starts = Starts(
            _start(bounds, self.seconds, look.seconds if compared else 0.0),
            of_block,
            of_block,
            _start(bounds, self.replay_seconds, look.seconds if replayed else 0.0),
        )
        after = Tally(
            self.weight,
            self.looks + compared,
            self.seconds + look.seconds if compared else self.seconds,
            self.block_seconds + block_seconds,
            self.replay_seconds + look.seconds if replayed else self.replay_seconds,
            block,
            self.step_looks + 1,
            self.step_legacy + look.legacy.requests,
            self.step_candidate + look.candidate.requests + look.diverted,
        )
        return after, Placed(starts, excesses)


NOTHING = Tally()
"""Before the first look."""


def _closed(block: Block, bounds: GuardBounds) -> tuple[Block, tuple[float | None, ...] | None, float]:
    """The next block, the excesses of the one that ends, and its seconds if it is bet on."""
    excesses = block.excesses(dict(bounds.limits), ratio=bounds.ratio)
    placed = any(excess is not None for excess in excesses)
    return EMPTY, excesses if placed else None, block.seconds if placed else 0.0


def _start(bounds: GuardBounds, before_seconds: float, seconds: float) -> float:
    # What is bet from the first look on is in the wealth already.
    return log_share(bounds, before_seconds, seconds) if before_seconds and seconds else NEVER


def _no_control(look: Look) -> InvalidInputError:
    return InvalidInputError(
        "look",
        observed=f"weight {look.weight} with {look.candidate.requests} requests of the candidate",
        limit="a weight between 0 and 1, both excluded, where the candidate has requests",
        remedy="Count each request under the weight that held when it started.",
    )
