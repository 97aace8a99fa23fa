"""The guard: is the candidate worse than legacy, is it shown not to be, or is there not enough evidence yet?

E-processes that may be looked at every second for as long as a rollout lasts; the promise, a chance of at
most alpha of convicting a candidate that keeps its bounds, holds over all looks together. Pure; a look costs
some microseconds and the state is a few hundred numbers. The sentinel calls `observe` each second; `turnout
judge` asks the same functions about recorded counts, many looks at once.

Use:
    bounds = GuardBounds.of(contract.bounds)
    state = begin(bounds)
    state = observe(state, bounds, look)      # at each look; a change of weight begins a new step
    verdict = judge(state, bounds)            # .kind, .signal, .evidence
    state = GuardState.from_json(state.to_json())
"""

from turnout.domain.guard.bounds import HORIZON_SECONDS, SIGNALS, GuardBounds
from turnout.domain.guard.observing import GuardVerdict, begin, begin_step, judge, observe, observe_each
from turnout.domain.guard.share import share_fits, step_share_fits
from turnout.domain.guard.state import GuardState

__all__ = [
    "HORIZON_SECONDS",
    "SIGNALS",
    "GuardBounds",
    "GuardState",
    "GuardVerdict",
    "begin",
    "begin_step",
    "judge",
    "observe",
    "observe_each",
    "share_fits",
    "step_share_fits",
]
