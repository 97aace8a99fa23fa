"""Does the candidate's share of the requests fit the weight? If not, the telemetry is wrong: hold."""

from math import inf, lgamma, log

from turnout.domain.guard.state import GuardState

FALSE_ALARM = 1e-6
"""Chance that a sound telemetry is ever called wrong within one step. A hold costs a person's time; a
telemetry that is broken (an arm missing, requests counted twice) is far beyond this within seconds."""

STRENGTH = 50.0
"""Weight of the prior in requests: how far from the weight the share is looked for first."""


def share_fits(candidate: int, requests: int, weight: float, *, false_alarm: float = FALSE_ALARM) -> bool:
    """Whether `candidate` of `requests` can be the router's choice at a constant `weight`.

    Sequentially valid: over all looks of one step together the chance of a wrong "no" is at most
    `false_alarm`, as the likelihood ratio against a beta mixture centred at the weight is a martingale (the
    beta-binomial confidence sequence of Howard et al., arXiv:1810.08240).

    Args:
        candidate: Requests for which the router chose the candidate, diverted ones included.
        requests: Requests of both arms since the weight was set.
        weight: The weight, in [0, 1].
        false_alarm: Chance of a wrong "no" over the whole step.
    """
    if not 0 < weight < 1:
        return candidate == (requests if weight else 0)
    return _log_ratio(candidate, requests, weight) < (log(1 / false_alarm) if false_alarm > 0 else inf)


def step_share_fits(state: GuardState, *, false_alarm: float = FALSE_ALARM) -> bool:
    """Whether the step's counts fit its weight."""
    requests = state.step_legacy + state.step_candidate
    return share_fits(state.step_candidate, requests, state.weight, false_alarm=false_alarm)


def _log_ratio(hits: int, trials: int, chance: float) -> float:
    a, b = STRENGTH * chance, STRENGTH * (1 - chance)
    mixture = _log_beta(a + hits, b + trials - hits) - _log_beta(a, b)
    return mixture - hits * log(chance) - (trials - hits) * log(1 - chance)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
