"""How Triton gathers requests into batches, and how its settings are chosen from what was measured. Pure.

Measured by `runtimes.triton.measuring` on the packaged model; what was measured, and why the settings follow,
is part of the package's evidence.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

KNEE = 0.9
"""A batch is large enough once it has this share of the best rows a second: larger ones only take longer."""
HEADROOM = 3.0
"""What has to be carried, in multiples of the baseline's rate: peaks, and a replica that is gone."""
BUSY = 0.7
"""Share of what is carried without a delay, above which queues grow fast: waiting for company may pay."""
GAIN = 1.1
"""How much more a delay has to carry to be worth what every request waits."""


class Batching(BaseModel):
    """Settings of the dynamic batcher.

    Attributes:
        queue_delay_microseconds: How long a request may wait for company. 0: what has gathered while the
            model was busy is batched, and nothing waits.
        preferred_batch_sizes: Rows at which a gathered batch is sent off before the delay is over.
    """

    model_config = ConfigDict(frozen=True)

    queue_delay_microseconds: int = 0
    preferred_batch_sizes: tuple[int, ...] = ()


AT_ONCE = Batching()
"""Nothing waits for company."""


class Execution(BaseModel):
    """One batch size, measured alone: rows of a request, and its median time."""

    model_config = ConfigDict(frozen=True)

    rows: int
    seconds: float


class Load(BaseModel):
    """One setting under load.

    Attributes:
        queue_delay_microseconds: The setting.
        requests_per_second: Answered.
        slow_seconds: 99th percentile of their times.
        failed: Requests that were not answered.
    """

    model_config = ConfigDict(frozen=True)

    queue_delay_microseconds: int
    requests_per_second: float
    slow_seconds: float
    failed: int


class Choice(BaseModel):
    """What was chosen, and why in one line."""

    model_config = ConfigDict(frozen=True)

    batching: Batching
    reason: str


def large_enough(executions: Sequence[Execution]) -> int:
    """The smallest measured batch that has nearly the best rows a second (`KNEE`)."""
    best = max(one.rows / one.seconds for one in executions)
    return min(one.rows for one in executions if one.rows / one.seconds >= KNEE * best)


def choose(
    executions: Sequence[Execution],
    loads: Sequence[Load],
    *,
    production_per_second: float | None,
    bound_seconds: float,
) -> Choice:
    """Choose the dynamic batcher's settings.

    A request waits for company only where production needs it, where that was measured to carry more, and
    where it stays within the owner's bound.

    Args:
        executions: Batch sizes, measured alone; one at least.
        loads: Queue delays under load; the one without a delay among them.
        production_per_second: The baseline's requests a second; None: unknown.
        bound_seconds: What is slow, by the contract.
    """
    at_once = next(one for one in loads if one.queue_delay_microseconds == 0)
    if production_per_second is None:
        return Choice(batching=AT_ONCE, reason="production's rate is unknown: no request is made to wait")
    wanted = production_per_second * HEADROOM
    carried = at_once.requests_per_second
    seen = f"{wanted:.0f} requests/s ({HEADROOM:g} times production's) against {carried:.0f} carried at once"
    if wanted <= BUSY * carried:
        return Choice(batching=AT_ONCE, reason=f"{seen}: no request needs to wait")
    fit = [one for one in loads if one.slow_seconds <= bound_seconds and not one.failed]
    best = max(fit, key=lambda one: one.requests_per_second, default=at_once)
    if best.queue_delay_microseconds == 0 or best.requests_per_second < GAIN * carried:
        return Choice(
            batching=AT_ONCE, reason=f"{seen}, and no measured delay carries {GAIN:g} times as much"
        )
    chosen = Batching(
        queue_delay_microseconds=best.queue_delay_microseconds,
        preferred_batch_sizes=(large_enough(executions),),
    )
    gained = f"{best.queue_delay_microseconds} microseconds carry {best.requests_per_second:.0f}"
    return Choice(batching=chosen, reason=f"{seen}; {gained}, 99 % within {best.slow_seconds:.3g} s")
