"""Which promises a drill broke. Pure."""

import math
from collections.abc import Iterator

from turnout.domain.attempt import Outcome
from turnout.lab.drills.drill import CANDIDATE, KILLED, Fault, Stage
from turnout.lab.drills.observed import Observation, Request

ENDS = {
    Outcome.CUT_OVER,
    Outcome.ROLLED_BACK,
    Outcome.STOPPED_IN_SHADOW,
}
"""How a migration may end after a fault: moved, or back on legacy in order."""
_SURELY = 5.0
"""Standard deviations by which a share of requests may lie above its weight."""
_SAME = 1e-6


def broken(seen: Observation) -> tuple[str, ...]:
    """Hold a drill against the promises.

    Returns:
        One line for each promise that it broke; nothing when all were kept.
    """
    checks = (_served, _weights, _share, _lease, _buried, _candidate, _evidence, _end, _recovered)
    return tuple(line for check in checks for line in check(seen))


def explained(failure: Request, outage: tuple[float, float] | None) -> bool:
    """Whether no server could have answered: the request was under way while its only server was gone."""
    return outage is not None and failure.sent_seconds <= outage[1] and failure.finished_seconds >= outage[0]


def _served(seen: Observation) -> Iterator[str]:
    if not seen.requests:
        yield "no client sent anything: nothing was shown"
    if lost := [f for f in seen.failures if not explained(f, seen.outage)]:
        yield f"{len(lost)} of {seen.requests} requests failed without a reason, the first: {lost[0].error}"


def _weights(seen: Observation) -> Iterator[str]:
    """The route is where it was, further on by the contract, or on legacy."""
    known = {0.0, *seen.weights, *(one.weight for one in seen.route if one.after_seconds < 0)}
    for one in seen.route:
        if not any(abs(one.weight - weight) < _SAME for weight in known):
            yield f"{one.after_seconds:.1f} s after the fault the weight was {one.weight:g}"


def _share(seen: Observation) -> Iterator[str]:
    """The candidate never takes more than its weight, also when legacy fails."""
    most = max((one.weight for one in seen.route), default=0.0)
    spread = math.sqrt(most * (1 - most) / max(seen.requests, 1))
    limit = most + _SURELY * spread + 3 / max(seen.requests, 1)
    if seen.candidate_share > limit:
        yield f"the candidate answered {seen.candidate_share:.0%} at a weight of {most:.0%}"


def _lease(seen: Observation) -> Iterator[str]:
    """An unguarded candidate gets nothing once the lease is over, for as long as the fault lasts."""
    last, lease = seen.candidate_last_seconds, seen.lease_seconds
    if lease is not None and last is not None and last > lease:
        yield f"the candidate answered {last:.1f} s after the fault; its lease is {lease:.1f} s"
    if lease is not None and seen.fault_seconds is not None and seen.fault_seconds <= lease:
        yield f"the fault lasted {seen.fault_seconds:.1f} s, no longer than the lease: nothing was shown"


def _buried(seen: Observation) -> Iterator[str]:
    """An attempt that was rolled back never comes back."""
    gone = False
    for one in seen.route:
        gone = gone or (seen.route[0].attempt == seen.attempt and one.attempt != seen.attempt)
        if gone and one.attempt == seen.attempt:
            yield f"{one.after_seconds:.1f} s after the fault the attempt was live again after its end"
            return


def _candidate(seen: Observation) -> Iterator[str]:
    """A candidate that goes wrong is sent back."""
    if seen.target == CANDIDATE and seen.outcome not in (Outcome.ROLLED_BACK, Outcome.STOPPED_IN_SHADOW):
        yield f"the candidate was {seen.fault} and its attempt ended as {seen.outcome}"
    if seen.fault is Fault.LEAKING and not any(deed.did.startswith(KILLED) for deed in seen.deeds):
        yield "the leaking candidate was not killed: nothing was shown"
    if seen.target == CANDIDATE and seen.route[-1].weight > 0:
        yield f"after {seen.window_seconds:.0f} s the {seen.fault} candidate still had traffic"


def _evidence(seen: Observation) -> Iterator[str]:
    kept = seen.evidence
    if kept.fault:
        yield f"evidence: {kept.fault}"
    if kept.kept < kept.before:
        yield f"evidence: {kept.before - kept.kept} of {kept.before} records are gone"
    if seen.stage not in (Stage.BASELINE, Stage.PACKAGE) and not kept.before:
        yield "evidence: none was there before the fault: nothing was shown"


def _end(seen: Observation) -> Iterator[str]:
    if seen.outcome not in ENDS:
        yield f"the migration did not end in order: {seen.outcome or 'no end'} after {seen.starts} starts"


def _recovered(seen: Observation) -> Iterator[str]:
    if seen.recovered:
        yield f"{seen.window_seconds:.0f} s after the fault: {seen.recovered}"
