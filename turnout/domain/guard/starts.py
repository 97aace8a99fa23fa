"""When harm may have begun: the share of a breach test's wealth that is bet from each moment on.

A candidate that was healthy for an hour has lost what was bet from the first look on, and would be convicted
tens of times later than a new one. So each breach test is a mixture over the moments at which it starts; the
shares add up to 1 over the declared horizon, and the promise stays one chance over the whole rollout. Harm at
a moment whose start got the share pi costs ln(1/pi) nats more to show. Restarting a test at will instead, or
a share of 1 at each look (an E-detector), would break the promise.
"""

import math
from typing import NamedTuple

from turnout.domain.guard.bounds import GuardBounds

AT_ONCE = 0.3
"""Share bet from the first look on: most candidates that are bad are bad from the start."""

EARLY = 0.5
"""Share spread evenly over the *logarithm* of the time, 1/t at time t: harm comes rather in the first minutes
after a change than in the tenth hour, and each doubling of the time costs the same."""

EVER = 1 - AT_ONCE - EARLY
"""Share spread evenly over the horizon: bounds the price of harm that comes at its end."""

NEVER = -math.inf


class Starts(NamedTuple):
    """Log share that each signal's breach test gets to start with at a look; `NEVER` for none."""

    errors: float = NEVER
    slow: float = NEVER
    first_token: float = NEVER
    differs: float = NEVER


def log_share(bounds: GuardBounds, before_seconds: float, seconds: float) -> float:
    """Log share for a start at a look after the first.

    Shares go by time, not by looks, so that shorter looks cost nothing: those of two looks add up to that of
    one as long as both.

    Args:
        bounds: Bounds in force.
        before_seconds: Time looked at before this look.
        seconds: Length of the look.
    """
    horizon, after = bounds.horizon_seconds, before_seconds + seconds
    growth = after / (before_seconds if before_seconds > 1 else 1.0) if after > 1 else 1.0
    share = EARLY * math.log(growth) / math.log(horizon) + EVER * seconds / horizon
    return math.log(share) if share > 0 else NEVER
