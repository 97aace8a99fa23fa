"""What the guard does with a look, and what it then says."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal

import numpy as np

from turnout.domain.guard.bets import Floats
from turnout.domain.guard.bounds import GuardBounds
from turnout.domain.guard.events import event_counts
from turnout.domain.guard.layout import layout_of
from turnout.domain.guard.state import GuardState
from turnout.domain.guard.tally import Placed, Tally
from turnout.domain.guard.wealth import block_gains, gains, later_starts, opening, path, totals
from turnout.domain.looks import Look


@dataclass(frozen=True)
class GuardVerdict:
    """What the guard says now.

    Attributes:
        kind: Breach: harm is shown, roll back. Pass: shown not to be worse, in this step. Undecided: not
            enough evidence yet.
        signal: The signal that breached; None otherwise.
        evidence: For each signal: `bound`, `log_wealth` and `log_limit` of the breach test,
            `pass_log_wealth` and `pass_log_limit` of the pass test (natural logarithms), `passed`.
    """

    kind: Literal["breach", "pass", "undecided"]
    signal: str | None
    evidence: dict[str, dict[str, Any]]


def begin(bounds: GuardBounds) -> GuardState:
    """The state before a rollout's first look."""
    return GuardState(log_wealth=opening(bounds))


def begin_step(state: GuardState, bounds: GuardBounds, *, weight: float | None = None) -> GuardState:
    """Start the pass evidence anew; what speaks for a breach is kept.

    `observe` does this by itself when the weight changes, so that a recording of looks alone gives the same
    verdicts.

    Args:
        state: The state so far.
        bounds: Bounds in force.
        weight: The step's weight; None to stay at the present one.
    """
    passing = layout_of(bounds).passing
    wealth = state.log_wealth.copy()
    wealth[passing] = layout_of(bounds).log_prior[passing]
    tally = state.tally.anew(state.weight if weight is None else weight)
    return replace(state, log_wealth=wealth, tally=tally, passed=())


def observe(state: GuardState, bounds: GuardBounds, look: Look) -> GuardState:
    """Take one look in.

    Args:
        state: The state so far.
        bounds: The same bounds at every look.
        look: Counts of requests that all started under the look's weight.

    Returns:
        The new state, whose `breached` and `passed` hold what this and earlier looks decided.

    Raises:
        InvalidInputError: The candidate has requests although the weight leaves one arm nothing.
    """
    return observe_each(state, bounds, (look,))[0]


def observe_each(state: GuardState, bounds: GuardBounds, looks: Sequence[Look]) -> list[GuardState]:
    """Take looks in, one after another, at a fraction of the cost of one at a time.

    Returns:
        The state after each of them: what `observe` gives, to the last bit.

    Raises:
        InvalidInputError: As of `observe`, for any of them.
    """
    tallies, placed = _tallied(state.tally, bounds, looks)
    wealth = path(
        bounds,
        state.log_wealth,
        later_starts(bounds, _table([each.starts for each in placed])),
        _gained(bounds, looks, placed),
        frozenset(i for i, tally in enumerate(tallies) if tally.step_looks == 1),
    )
    states = []
    for look, tally, row, reached in zip(looks, tallies, wealth, _reached(bounds, wealth), strict=True):
        before = state.passed if tally.step_looks > 1 else ()
        breached = state.breached or _breached(bounds, look, reached)
        state = GuardState(row, tally, breached, _passed(before, bounds, reached))
        states.append(state)
    return states


def judge(state: GuardState, bounds: GuardBounds) -> GuardVerdict:
    """Say what the evidence shows: a breach of one signal first, then a pass of all, else undecided."""
    kind: Literal["breach", "pass", "undecided"] = "undecided"
    if state.breached is not None:
        kind = "breach"
    elif len(state.passed) == len(bounds.limits):
        kind = "pass"
    return GuardVerdict(kind=kind, signal=state.breached, evidence=_evidence(state, bounds))


_ANY_WEIGHT = 0.5
"""Where one arm has nothing, only replays count, and their bets do not depend on the weight."""


def _tallied(tally: Tally, bounds: GuardBounds, looks: Sequence[Look]) -> tuple[list[Tally], list[Placed]]:
    tallies, placed = [], []
    for look in looks:
        tally, bets = tally.plus(look, bounds)
        tallies.append(tally)
        placed.append(bets)
    return tallies, placed


def _gained(bounds: GuardBounds, looks: Sequence[Look], placed: Sequence[Placed]) -> Floats:
    """Log factors of all looks, shape (looks, bets)."""
    events = _table([event_counts(look) for look in looks])
    weights = np.array([look.weight if 0 < look.weight < 1 else _ANY_WEIGHT for look in looks])
    gained = np.empty((len(looks), layout_of(bounds).size))
    for weight in dict.fromkeys(weights.tolist()):
        same = weights == weight
        gained[same] = gains(bounds, events[same], weight=weight)
    blocks = [i for i, bets in enumerate(placed) if bets.excesses is not None]
    if blocks:
        excesses = [[excess or 0.0 for excess in placed[i].excesses or ()] for i in blocks]
        gained[blocks] += block_gains(bounds, np.array(excesses))
    return gained


def _table(rows: Sequence[tuple[float, ...]]) -> Floats:
    """Rows of equal length as an array, several times as fast as `np.array` makes it."""
    numbers = np.fromiter(chain.from_iterable(rows), dtype=np.float64, count=len(rows) * len(rows[0]))
    return numbers.reshape(len(rows), -1)


def _reached(bounds: GuardBounds, wealth: Floats) -> list[list[bool]]:
    """Which signals' tests are decided after each look: all breach tests, then all pass tests."""
    found: list[list[bool]] = (totals(bounds, wealth) >= bounds.log_limit).tolist()
    return found


def _breached(bounds: GuardBounds, look: Look, reached: list[bool]) -> str | None:
    for (name, limit), breached in zip(bounds.limits, reached, strict=False):
        # "No difference at all" needs no statistics: the first one fails.
        if breached or (limit == 0 and look.pairs.new_only + look.pairs.both > 0):
            return name
    return None


def _passed(before: tuple[str, ...], bounds: GuardBounds, reached: list[bool]) -> tuple[str, ...]:
    if len(before) == len(bounds.limits) or True not in reached:
        return before
    names = [name for name, _ in bounds.limits]
    return tuple(n for n, now in zip(names, reached[len(names) :], strict=True) if now or n in before)


def _evidence(state: GuardState, bounds: GuardBounds) -> dict[str, dict[str, Any]]:
    sums = totals(bounds, state.log_wealth).tolist()
    count = len(bounds.limits)
    return {
        name: {
            "bound": limit,
            "log_wealth": sums[i],
            "log_limit": bounds.log_limit,
            "pass_log_wealth": sums[count + i],
            "pass_log_limit": bounds.log_limit,
            "passed": name in state.passed,
        }
        for i, (name, limit) in enumerate(bounds.limits)
    }
