"""The recursion of the wealths, `S <- (S + pi) * e` at each look, on logarithms: the only one there is.

One attempt's looks one after another, or one look of many attempts at once; with the same bits either way, so
that a recording is judged in batches to the verdict that the sentinel gave look by look. Hence no product of
matrices, whose rounding depends on their shape.
"""

import numpy as np

from turnout.domain.guard.bets import Floats
from turnout.domain.guard.bounds import GuardBounds
from turnout.domain.guard.layout import block_stakes, layout_of, log_factors
from turnout.domain.guard.starts import AT_ONCE, NEVER, Starts


def opening(bounds: GuardBounds) -> Floats:
    """Log wealths before the first look: breach tests with their first start, pass tests with everything."""
    layout = layout_of(bounds)
    wealth: Floats = layout.log_prior + np.log(AT_ONCE)
    wealth[layout.passing] = layout.log_prior[layout.passing]
    return wealth


def step(
    bounds: GuardBounds,
    wealth: Floats,
    events: Floats,
    *,
    weight: float,
    starts: Starts,
    excess: Floats | None = None,
) -> Floats:
    """One look.

    Args:
        bounds: Bounds in force.
        wealth: Log wealths, shape (..., bets).
        events: Counts of the look by `Event`, shape (..., events).
        weight: Candidate's weight under which the counted requests started.
        starts: What the breach tests get for another start.
        excess: Excesses of the block that ends with this look by `BLOCK_SIGNALS`, shape (..., signals), 0
            where one is not bet on; None where no block ends.

    Returns:
        The new log wealths, shape (..., bets).
    """
    after = gains(bounds, events, weight=weight)
    if excess is not None:
        after += block_gains(bounds, excess)
    looked: Floats = path(bounds, wealth, later_starts(bounds, np.array([starts])), after[None])[0]
    return looked


def gains(bounds: GuardBounds, events: Floats, *, weight: float) -> Floats:
    """Log factors, shape (..., bets), of requests counted by `Event`, shape (..., events)."""
    used, factors = log_factors(bounds, weight)
    found: Floats = (events[..., used, None] * factors).sum(axis=-2)
    return found


def block_gains(bounds: GuardBounds, excess: Floats) -> Floats:
    """Log factors of blocks, shape (..., bets), from their excesses by `BLOCK_SIGNALS`."""
    found: Floats = np.log1p((excess[..., None] * block_stakes(bounds)).sum(axis=-2))
    return found


def later_starts(bounds: GuardBounds, log_shares: Floats) -> Floats:
    """Log wealths put on each breach bet, shape (..., breach bets), by the log shares of `Starts`."""
    layout = layout_of(bounds)
    found: Floats = log_shares[..., layout.signal_of_breach] + layout.log_prior[: layout.passing.start]
    return found


def path(
    bounds: GuardBounds,
    wealth: Floats,
    starts: Floats,
    gained: Floats,
    renewed: frozenset[int] = frozenset(),
) -> Floats:
    """Looks one after another.

    Args:
        bounds: Bounds in force.
        wealth: Log wealths before the first of them, shape (..., bets).
        starts: Log wealths that breach bets get before each look's own bets, shape (looks, breach bets).
        gained: Log factors of each look, shape (looks, ..., bets).
        renewed: Looks that begin a new step: pass bets begin anew before them.

    Returns:
        Log wealths after each look, shape (looks, ..., bets).
    """
    layout = layout_of(bounds)
    opened = layout.log_prior[layout.passing]
    now = wealth.copy()
    breach, passing = now[..., : layout.passing.start], now[..., layout.passing]
    starting = np.any(starts > NEVER, axis=-1).tolist()
    after = np.empty_like(gained)
    for look, (start, gain, row) in enumerate(zip(starts, gained, after, strict=True)):
        if look in renewed:
            passing[...] = opened
        if starting[look]:
            np.logaddexp(breach, start, out=breach)
        np.add(now, gain, out=now)
        row[...] = now
    return after


def totals(bounds: GuardBounds, wealth: Floats) -> Floats:
    """Log of each signal's mean wealth: all breach tests in the order of the bounds, then all pass tests."""
    sums: Floats = np.logaddexp.reduceat(wealth, layout_of(bounds).edges, axis=-1)
    return sums
