"""Does the candidate pass its shadow test? Pure; called by `tasks.shadow` with the comparisons so far.

Three questions, each with a third of the owner's alpha, put to the guard's own tests over the replays:

- *differs*: a paired test of the candidate's answers against legacy's, with legacy's own second answers as
  the noise floor. No answer counts as a different one. It has to **pass**: shown, at the owner's bound, not
  to differ more often. With a bound of 0 the first difference fails, and passing takes as many equal answers
  as exclude a share of 1 %.
- *failing*: the same paired test of replays without an answer, at the owner's bound on errors. It must not
  breach. It need not pass by itself, for what it bounds is part of `differs`.
- *slow*: the guard's test on blocks of time, at the owner's bound on slow answers. It must not breach.

The test ends early on a breach. Without the samples that the contract wants, or without the evidence, there
is no verdict; once the time is up, that is a hold.
"""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from turnout.domain import guard, intervals
from turnout.domain.contract import Contract
from turnout.domain.evidence import Verdict
from turnout.domain.guard import GuardBounds, GuardVerdict
from turnout.domain.looks import ArmCounts, Look, Pairs
from turnout.domain.requests import Arm, ComparisonRecord

EXAMPLES = 10
"""Differing examples that go into the evidence; an owner reads these, not hundreds."""

QUANTILES = (0.5, 0.95, 0.99)
"""Quantiles of latency that are shown."""

_EVEN = 0.5
"""Every exchange goes to both arms: the weight that the guard's tests of replays see."""

QUESTIONS = ("differs", "failing", "slow")


@dataclass(frozen=True)
class Finding:
    """What the comparisons show so far.

    Attributes:
        verdict: Pass or fail; None while it is too early to say.
        reasons: Why, one line each; while it is too early, what is missing.
        measurements: The numbers, as JSON values.
    """

    verdict: Verdict | None
    reasons: tuple[str, ...]
    measurements: dict[str, Any]


def bounds_of(contract: Contract) -> dict[str, GuardBounds]:
    """The guard's bounds for each question."""
    bounds = contract.bounds
    limits = {
        "differs": ("differs", bounds.differs),
        "failing": ("differs", bounds.errors),
        "slow": ("slow", bounds.slow),
    }
    return {
        question: dataclasses.replace(
            GuardBounds.of(bounds), limits=(limit,), alpha=bounds.alpha / len(QUESTIONS)
        )
        for question, limit in limits.items()
    }


def judge(contract: Contract, comparisons: Sequence[ComparisonRecord]) -> Finding:
    """Judge what was compared so far, always from the first comparison on: the result depends on them alone.

    Args:
        contract: The model's contract.
        comparisons: Comparisons of the attempt; those of its shadow phase count: captured from legacy.
    """
    shadowed = [c for c in comparisons if c.captured_from is Arm.LEGACY]
    verdicts = {question: _asked(contract, question, shadowed) for question in QUESTIONS}
    measurements = _measured(shadowed, verdicts)
    if failed := [
        _failed(question, shadowed) for question in QUESTIONS if verdicts[question].kind == "breach"
    ]:
        return Finding(Verdict.FAIL, tuple(failed), measurements)
    if missing := _missing(contract, shadowed, verdicts):
        return Finding(None, missing, measurements)
    said = f"{len(shadowed)} compared answers show that it differs no more often than the contract allows"
    return Finding(Verdict.PASS, (said,), measurements)


def examples(comparisons: Sequence[ComparisonRecord]) -> list[dict[str, object]]:
    """Differing examples, the largest distance first; one without a distance is the plainest of all."""
    differing = [c for c in comparisons if c.new_differs and c.example]
    worst = sorted(differing, key=lambda c: math.inf if c.distance is None else c.distance, reverse=True)
    return [{**(c.example or {}), "distance": c.distance} for c in worst[:EXAMPLES]]


def _asked(contract: Contract, question: str, comparisons: Sequence[ComparisonRecord]) -> GuardVerdict:
    bounds = bounds_of(contract)[question]
    state = guard.begin(bounds)
    for look in _looks(contract, comparisons, question):
        state = guard.observe(state, bounds, look)
    return guard.judge(state, bounds)


def _looks(contract: Contract, comparisons: Sequence[ComparisonRecord], question: str) -> list[Look]:
    """One look a second, of those seconds in which something was compared."""
    seconds: defaultdict[int, list[ComparisonRecord]] = defaultdict(list)
    for comparison in comparisons:
        # Without a second answer of legacy there is no noise floor for this exchange. Which ones have none
        # was drawn by chance, so leaving them out favours nobody. An owner who wants no noise floor says
        # that legacy always agrees with itself.
        if comparison.old_differs is not None or contract.rollout.noise_share == 0:
            seconds[math.floor(comparison.at_seconds)].append(comparison)
    return [
        _slow(seconds[second], contract.bounds.slow_seconds, second)
        if question == "slow"
        else Look(_EVEN, ArmCounts(), ArmCounts(), pairs=_pairs(seconds[second], question), at_seconds=second)
        for second in sorted(seconds)
    ]


def _pairs(compared: Sequence[ComparisonRecord], question: str) -> Pairs:
    """Count what is bad on either side: another answer, or none at all."""
    if question == "differs":
        seen = [(c.new_differs, bool(c.old_differs)) for c in compared]
    else:
        seen = [(c.new_failed, _legacy_failed(c)) for c in compared]
    return Pairs(
        neither=seen.count((False, False)),
        old_only=seen.count((False, True)),
        new_only=seen.count((True, False)),
        both=seen.count((True, True)),
    )


def _slow(compared: list[ComparisonRecord], slow_seconds: float, at_seconds: float) -> Look:
    """A replay without an answer is a matter of `failing`; of the others, those beyond the limit are slow."""

    def arm(latencies: list[float | None]) -> ArmCounts:
        answered = [seconds for seconds in latencies if seconds is not None]
        return ArmCounts(requests=len(answered), slow=sum(seconds > slow_seconds for seconds in answered))

    legacy, candidate = ([c.legacy_seconds for c in compared], [c.candidate_seconds for c in compared])
    return Look(_EVEN, arm(legacy), arm(candidate), at_seconds=at_seconds)


def _legacy_failed(comparison: ComparisonRecord) -> bool:
    """Legacy was asked again and did not answer."""
    return comparison.old_differs is not None and comparison.legacy_seconds is None


def _failed(question: str, comparisons: Sequence[ComparisonRecord]) -> str:
    differing = sum(c.new_differs for c in comparisons)
    failing = sum(c.new_failed for c in comparisons)
    total = len(comparisons)
    return {
        "differs": f"{differing} of {total} answers differ from legacy's, beyond the contract's bound",
        "failing": f"{failing} of {total} replays got no answer, beyond the contract's bound on errors",
        "slow": "the candidate was slower than the contract allows beside legacy",
    }[question]


def _missing(
    contract: Contract, comparisons: Sequence[ComparisonRecord], verdicts: dict[str, GuardVerdict]
) -> tuple[str, ...]:
    missing = []
    if len(comparisons) < contract.rollout.shadow_samples:
        missing.append(f"{len(comparisons)} of {contract.rollout.shadow_samples} samples compared")
    if verdicts["differs"].kind != "pass":
        shown = verdicts["differs"].evidence["differs"]
        missing.append(
            f"not enough evidence that the answers agree: {shown['pass_log_wealth']:.1f} of "
            f"{shown['pass_log_limit']:.1f} nats"
        )
    return tuple(missing)


def _measured(comparisons: Sequence[ComparisonRecord], verdicts: dict[str, GuardVerdict]) -> dict[str, Any]:
    noise = [c for c in comparisons if c.old_differs is not None]
    return {
        "samples": len(comparisons),
        "differing": sum(c.new_differs for c in comparisons),
        "failing": sum(c.new_failed for c in comparisons),
        "noise_samples": len(noise),
        "noise_differing": sum(bool(c.old_differs) for c in noise),
        "pairs": dataclasses.asdict(_pairs(noise, "differs")),
        "latency": {
            "candidate": _latency([c.candidate_seconds for c in comparisons]),
            "legacy": _latency([c.legacy_seconds for c in comparisons]),
        },
        "evidence": {q: next(iter(verdicts[q].evidence.values())) for q in QUESTIONS},
        "examples": examples(comparisons),
    }


def _latency(latencies: Sequence[float | None]) -> dict[str, Any]:
    """Quantiles of the answered replays in seconds, each with an interval that may be looked at any time."""
    seconds = sorted(s for s in latencies if s is not None)
    return {"answered": len(seconds)} | {f"p{100 * q:g}": _quantile(seconds, q) for q in QUANTILES}


def _quantile(ordered: Sequence[float], share: float) -> dict[str, Any] | None:
    if not ordered:
        return None
    interval = intervals.quantile(ordered, share)
    return {
        "seconds": ordered[math.ceil(share * len(ordered)) - 1],
        "low_seconds": interval.low if math.isfinite(interval.low) else None,
        "high_seconds": interval.high if math.isfinite(interval.high) else None,
        "alpha": interval.alpha,
        "assumes": interval.assumes,
    }
