"""What one tick makes of an attempt: evidence, verdict, leases, and whether to roll back. Pure.

`patrol` gathers what a tick sees (`Sight`), calls `step`, and does what the `Turn` says.

In the shadow phase (weight 0) the candidate has no client to harm, so nothing is judged: comparisons made
then belong to the shadow test's verdict. The guard's own evidence, `differs` included, begins with the first
weight.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from turnout.domain import counting, guard
from turnout.domain.contract import Contract
from turnout.domain.counting import Counter, CountingRules
from turnout.domain.errors import InvalidInputError
from turnout.domain.guard import GuardBounds, GuardState, GuardVerdict
from turnout.domain.looks import Look
from turnout.domain.requests import Arm, ComparisonRecord, RequestRecord
from turnout.domain.route import Route
from turnout.fabric.comparison_files import Place
from turnout.fabric.telemetry import FILES, Cursor
from turnout.services.sentinel.clock import Now
from turnout.services.sentinel.leases import GuardLease, StepClock
from turnout.services.sentinel.record import Ended, Record, TornError

BLIND_LONGEST_SECONDS = 30.0
"""A candidate that has had a weight for this long without fresh telemetry is taken back for good. Its clients
have been on legacy since the guard lease ran out; this only ends a state that nobody would find out about."""

SLACK_SECONDS = 3.0
"""Ticks come a second apart, on a busy machine two."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one tick saw of one attempt.

    Attributes:
        now: The clocks.
        route: The route as the router holds it.
        records: Requests as the access log told of them since the last tick.
        cursor: How far the access log was read; None: it could not be.
        comparisons: Comparisons since the last tick.
        place: How far the comparisons were read.
        stale: Why the telemetry cannot be trusted to be complete; None: it is known to be.
    """

    now: Now
    route: Route
    cursor: Cursor | None
    place: Place
    records: tuple[RequestRecord, ...] = ()
    comparisons: tuple[ComparisonRecord, ...] = ()
    stale: str | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """An attempt under guard.

    Attributes:
        record: What is saved.
        guard: The guard's state (`record.guard` is its text, set when the record is saved).
        counter: Requests that are not counted yet (`record.counter`, likewise).
        bounds: What the guard holds it to, from the record.
        rules: When its requests are judged, from the record.
        lease: The guard lease; never saved: a sentinel that starts again has to look first.
        hold: Why a pass is not given out now, or None.
    """

    record: Record
    guard: GuardState
    counter: Counter
    bounds: GuardBounds
    rules: CountingRules
    lease: GuardLease
    hold: str | None = "no fresh telemetry judged yet"


@dataclass(frozen=True, slots=True)
class Judged:
    """One look and the verdict after it."""

    look: Look
    verdict: GuardVerdict


@dataclass(frozen=True, slots=True)
class Breach:
    """Why the attempt has to go back; begins with the signal where the guard decided it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What one tick made of an attempt.

    Attributes:
        watch: The attempt from now on.
        judged: The looks that were judged, for the journal.
        breach: Why to roll back, or None.
    """

    watch: Watch
    judged: tuple[Judged, ...] = ()
    breach: Breach | None = None


def guarded(contract: Contract) -> tuple[str, ...]:
    """Signals that can be guarded: without replays no answers are compared, and none would ever pass."""
    return tuple(name for name in contract.bounds.limits() if name != "differs" or contract.policy.replayable)


def bounds_of(record: Record) -> GuardBounds:
    """The bounds of an attempt, as they were when it was first seen."""
    whole = GuardBounds.of(record.bounds)
    return dataclasses.replace(whole, limits=tuple((n, m) for n, m in whole.limits if n in record.guarded))


def begin(
    route: Route,
    contract: Contract,
    now: Now,
    *,
    cursor: Cursor,
    place: Place,
    lease_seconds: float,
    settle_seconds: float = FILES.settle_seconds,
) -> Watch:
    """Start to watch an attempt that nothing is known of, from the present ends of its files on."""
    record = Record(
        model=route.model,
        attempt=route.attempt or "",
        bounds=contract.bounds,
        policy=contract.policy,
        guarded=guarded(contract),
        deterministic=contract.rollout.noise_share == 0,
        weight=route.weight,
        step=StepClock.begin(route.version, now),
        weight_clock=StepClock.begin(route.version, now),
        guard="",
        counter="",
        cursor=cursor,
        place=place,
    )
    state = guard.begin(bounds_of(record))
    counter = counting.begin(record.attempt, now.unix_seconds)
    return _watch(record, state, counter, lease_seconds, settle_seconds)


def restore(record: Record, *, lease_seconds: float, settle_seconds: float = FILES.settle_seconds) -> Watch:
    """Go on with a saved attempt.

    Raises:
        TornError: Its guard or its counter was written by something else.
    """
    try:
        state, counter = GuardState.from_json(record.guard), Counter.from_json(record.counter)
    except InvalidInputError as error:
        raise TornError(error.observed) from error
    if len(state.log_wealth) != len(guard.begin(bounds_of(record)).log_wealth):
        raise TornError("the guard that wrote it placed other bets")
    return _watch(record, state, counter, lease_seconds, settle_seconds)


def _watch(
    record: Record, state: GuardState, counter: Counter, lease_seconds: float, settle_seconds: float
) -> Watch:
    return Watch(
        record=record,
        guard=state,
        counter=counter,
        bounds=bounds_of(record),
        rules=CountingRules.of(
            record.bounds,
            record.policy,
            settle_seconds=settle_seconds,
            deterministic=record.deterministic,
        ),
        lease=GuardLease(lease_seconds),
    )


def to_save(watch: Watch) -> Record:
    """The record to be saved, with the guard's state and the counter in it."""
    return watch.record.model_copy(
        update={"guard": watch.guard.to_json(), "counter": watch.counter.to_json()}
    )


def step(watch: Watch, sight: Sight) -> Turn:
    """Take one tick.

    The order is: the route first, for it starts clocks; then every settled look, each judged by itself, up
    to the first breach; then the leases. A breach that could not be carried out is found again at the next
    tick.
    """
    watch, looks = _counted(_on_route(watch, sight), sight)
    judged: list[Judged] = []
    for look in looks:
        watch, verdict = _observed(watch, look)
        judged.append(Judged(look, verdict))
        if verdict.kind == "breach":
            break
    watch = _leased(watch, sight)
    breach = _breach(watch, sight)
    return Turn(_disarmed(watch) if breach else watch, tuple(judged), breach)


def ended(watch: Watch, end: Ended) -> Watch:
    """The attempt after its end."""
    over = dataclasses.replace(watch, record=watch.record.model_copy(update={"ended": end}))
    return _disarmed(over)


def shown_verdict(watch: Watch) -> str:
    """What is said to those who raise weights: a pass only for the present weight, and while nothing holds.

    The guard itself begins its pass evidence anew at the first look under another weight; until that look has
    come, what it says is about the weight before.
    """
    if watch.record.verdict == "pass" and (watch.hold or watch.guard.weight != watch.record.weight):
        return "undecided"
    return watch.record.verdict


def step_looks(watch: Watch) -> int:
    """Looks judged at the present weight."""
    return watch.guard.step_looks if watch.guard.weight == watch.record.weight else 0


def _on_route(watch: Watch, sight: Sight) -> Watch:
    """Start the clock of a new version, and that of a new weight."""
    record, route = watch.record, sight.route
    changes: dict[str, Any] = {}
    if record.step.version != route.version:
        changes["step"] = StepClock.begin(route.version, sight.now)
    if record.weight != route.weight:
        changes |= {"weight": route.weight, "weight_clock": StepClock.begin(route.version, sight.now)}
    return _with_record(watch, changes)


def _with_record(watch: Watch, changes: dict[str, Any]) -> Watch:
    """The watch with a changed record; the same one where nothing changes."""
    return dataclasses.replace(watch, record=watch.record.model_copy(update=changes)) if changes else watch


def _counted(watch: Watch, sight: Sight) -> tuple[Watch, list[Look]]:
    """Count what came. Requests that the router sent without chance (weight 0) are no part of a comparison.

    While the telemetry may be incomplete no second is closed: what comes late is counted when it comes.
    """
    record = watch.record
    known = _with_the_clock(watch, sight)
    counter, looks = counting.advance(
        known,
        watch.rules,
        [r for r in sight.records if r.weight > 0],
        sight.comparisons if sight.route.weight > 0 else (),
        known.next_second if sight.stale else sight.now.unix_seconds,
    )
    read: dict[str, Any] = {"cursor": sight.cursor} if sight.cursor not in (None, record.cursor) else {}
    read |= {"place": sight.place} if sight.place != record.place else {}
    watch = dataclasses.replace(_with_record(watch, read), counter=counter)
    return watch, [look for look in looks if look.weight > 0]


def _with_the_clock(watch: Watch, sight: Sight) -> Counter:
    """The counter; in the shadow phase it begins anew where the clock was set back behind it.

    It would wait for the clock until then, and the attempt would get no replays for so long. Where there is a
    weight it is not given up: what it lost sight of is sent back (`BLIND_LONGEST_SECONDS`).
    """
    set_back = counting.lag_seconds(watch.counter, sight.now.unix_seconds) < -SLACK_SECONDS
    if sight.route.weight > 0 or not set_back:
        return watch.counter
    return counting.begin(watch.record.attempt, sight.now.unix_seconds)


def _observed(watch: Watch, look: Look) -> tuple[Watch, GuardVerdict]:
    """Put one look into the evidence; also one from under an earlier weight, which counts as any other."""
    state = guard.observe(watch.guard, watch.bounds, look)
    verdict = guard.judge(state, watch.bounds)
    record = watch.record.model_copy(
        update={
            "looks": watch.record.looks + 1,
            "verdict": verdict.kind,
            "signal": verdict.signal,
            "evidence": verdict.evidence,
        }
    )
    return dataclasses.replace(watch, record=record, guard=state), verdict


def _leased(watch: Watch, sight: Sight) -> Watch:
    at, stale = sight.now.boot_seconds, sight.stale or _behind(watch, sight.now)
    if stale:
        return dataclasses.replace(watch, lease=watch.lease.failed(at), hold=stale)
    return dataclasses.replace(watch, lease=watch.lease.renewed(at), hold=_misfit(watch))


def _behind(watch: Watch, now: Now) -> str | None:
    """Whether counting has not caught up with the clock, or the clock was set back behind it."""
    rules = watch.rules
    longest = rules.settle_seconds + rules.known_after_seconds(Arm.CANDIDATE) + SLACK_SECONDS
    lag = counting.lag_seconds(watch.counter, now.unix_seconds)
    return None if -SLACK_SECONDS <= lag <= longest else f"counting is {lag:.0f} s behind the clock"


def _misfit(watch: Watch) -> str | None:
    """A share of requests that does not fit the weight says that the telemetry is wrong: no pass on it."""
    state = watch.guard
    if guard.step_share_fits(state):
        return None
    requests = state.step_legacy + state.step_candidate
    return f"{state.step_candidate} of {requests} requests for the candidate do not fit weight {state.weight}"


def _breach(watch: Watch, sight: Sight) -> Breach | None:
    """Whether the guard ends the attempt, or a lease that ran out: those only where there is a weight."""
    if watch.record.verdict == "breach":
        return Breach(_convicted(watch.record))
    if sight.route.weight <= 0:
        return None
    if watch.record.step.ran_out(sight.route.step_lease_seconds, sight.now):
        return Breach("step lease ran out")
    blind = watch.lease.blind_seconds(sight.now.boot_seconds)
    if blind >= BLIND_LONGEST_SECONDS:
        return Breach(f"no fresh telemetry for {blind:.0f} s: {watch.hold}")
    return None


def _convicted(record: Record) -> str:
    shown = record.evidence.get(record.signal or "", {})
    wealth, limit = shown.get("log_wealth", 0.0), shown.get("log_limit", 0.0)
    return f"{record.signal}: evidence of {wealth:.1f} nats, limit {limit:.1f}, at weight {record.weight:g}"


def worth_saving(saved: Watch, watch: Watch) -> bool:
    """Whether anything changed but the second up to which nothing was there to be counted."""
    waiting = (watch.counter.waiting, watch.counter.pairs) != (saved.counter.waiting, saved.counter.pairs)
    return waiting or watch.record != saved.record


def urgent(saved: Watch, watch: Watch) -> bool:
    """Whether something changed that no file but the record tells of: a clock, a verdict, the end.

    All else, evidence and counts, a sentinel that was killed works out again from the log, from the saved
    position on.
    """
    then, now = saved.record, watch.record
    return (now.step, now.weight_clock, now.verdict, now.ended) != (
        then.step,
        then.weight_clock,
        then.verdict,
        then.ended,
    )


def suspicion(watch: Watch) -> float:
    """How near the evidence is to a breach: nats of the signal that is nearest to its limit, at most 0."""
    shown = watch.record.evidence.values()
    return max((one["log_wealth"] - one["log_limit"] for one in shown), default=0.0)


def _disarmed(watch: Watch) -> Watch:
    """Without a renewed lease nothing is armed any more."""
    lease = dataclasses.replace(watch.lease, renewed_boot_seconds=None)
    return dataclasses.replace(watch, lease=lease, hold="the attempt is over")
