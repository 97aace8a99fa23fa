import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.domain.contract import Bounds
from turnout.domain.requests import Arm, ComparisonRecord, RequestRecord
from turnout.fabric.comparison_files import START
from turnout.fabric.telemetry import Cursor
from turnout.services.sentinel import watch as watching
from turnout.services.sentinel.clock import Now
from turnout.services.sentinel.record import Ended, TornError, sealed, unsealed
from turnout.services.sentinel.watch import (
    BLIND_LONGEST_SECONDS,
    Sight,
    restore,
    shown_verdict,
    step,
    to_save,
)

BEGAN = 1_000_000.0


def at(second, **changes):
    """The clocks, a second of the test in."""
    return dataclasses.replace(Now(BEGAN + second, 500.0 + second, "boot"), **changes)


def request(n, second, arm, *, weight=0.5, failed=False):
    """One request that started in a second of the test; a failed one was answered by legacy."""
    return RequestRecord(
        request_id=f"{second}-{n}",
        model="iris",
        attempt="iris-1",
        route_version="iris-1.2",
        arm=arm,
        weight=weight,
        started_seconds=BEGAN + second + 0.01 * n,
        duration_seconds=0.02,
        status=200,
        tries=2 if failed else 1,
        answered_by=Arm.LEGACY if failed else arm,
    )


def traffic(second, *, weight=0.5, failing=0.0, each=10):
    """A second's requests, the same number on both arms, the first so many of the candidate's failing."""
    bad = round(failing * each)
    legacy = [request(n, second, Arm.LEGACY, weight=weight) for n in range(each)]
    mine = [request(n + each, second, Arm.CANDIDATE, weight=weight, failed=n < bad) for n in range(each)]
    return tuple(legacy + mine)


@pytest.fixture
def route(make_route):
    """The route in its canary at 50 %."""
    return make_route(weight=0.5, version="iris-1.2")


@pytest.fixture
def begun(contract, route):
    """An attempt that the sentinel has just met."""
    return watching.begin(route, contract, at(0), cursor=Cursor(), place=START, lease_seconds=4.0)


def tick(watch, second, route, **changes):
    """One tick at the end of a second, with what came in it."""
    parts = {
        "now": at(second + 0.55),
        "route": route,
        "cursor": Cursor(ended=second),
        "place": START,
    } | changes
    return step(watch, Sight(**parts))


def run(watch, route, seconds, **changes):
    """Ticks with traffic, until a breach; returns the last turn and all judged looks."""
    judged = []
    turn = None
    for second in seconds:
        turn = tick(watch, second, route, records=traffic(second - 1, **changes))
        watch, judged = turn.watch, judged + list(turn.judged)
        if turn.breach:
            break
    return turn, judged


def test_a_failing_candidate_is_rolled_back_in_seconds(begun, route):
    """A third of its requests failing at weight 0.5 is a breach of `errors` long before half a minute."""
    turn, judged = run(begun, route, range(2, 32), failing=0.3)
    assert turn.breach is not None
    assert turn.breach.reason.startswith("errors: ")
    assert judged[-1].verdict.kind == "breach"
    assert turn.watch.record.ended is None  # only the rollback ends it
    assert not turn.watch.lease.fresh(at(2).boot_seconds)


def test_a_breach_that_could_not_be_carried_out_is_found_again(begun, route):
    """A failing rollback does not lose the breach: the next tick, without any new data, says it again."""
    turn, _ = run(begun, route, range(2, 32), failing=0.3)
    again = tick(turn.watch, 40, route)
    assert again.breach is not None
    saved = restore(unsealed(sealed(to_save(turn.watch)), attempt="iris-1"), lease_seconds=4.0)
    assert tick(saved, 41, route).breach is not None


def test_a_healthy_candidate_passes_and_stays_armed(begun, route):
    """Shown not to be worse: pass, armed, nothing held."""
    turn, judged = run(begun, route, range(2, 92))
    assert turn.breach is None
    assert {j.verdict.signal for j in judged} == {None}
    evidence = turn.watch.record.evidence
    assert evidence["errors"]["passed"]
    assert turn.watch.hold is None
    assert turn.watch.lease.fresh(at(91.6).boot_seconds)
    assert shown_verdict(turn.watch) == "undecided"  # no answers were compared: `differs` has no evidence


def healthy_with_comparisons(watch, route, seconds):
    """Ticks with good traffic and equal answers; returns the watch after them."""
    for second in seconds:
        compared = tuple(
            ComparisonRecord(
                model="iris",
                attempt="iris-1",
                at_seconds=BEGAN + second - 0.5 + n / 100,
                captured_from=Arm.CANDIDATE,
                new_differs=False,
                old_differs=False,
                new_failed=False,
                distance=0.0,
                legacy_seconds=0.01,
                candidate_seconds=None,
            )
            for n in range(10)
        )
        records = traffic(second - 1, weight=route.weight)
        watch = tick(watch, second, route, records=records, comparisons=compared).watch
    return watch


def test_a_pass_is_for_the_weight_it_was_reached_under(begun, route):
    """The moment the weight rises the pass is gone, before any look under the new weight has come."""
    watch = healthy_with_comparisons(begun, route, range(2, 92))
    assert shown_verdict(watch) == "pass"
    raised = route.model_copy(update={"weight": 0.6, "version": "iris-1.3"})
    turn = tick(watch, 92, raised, records=traffic(91))
    assert shown_verdict(turn.watch) == "undecided"
    assert turn.watch.record.weight == 0.6
    assert shown_verdict(healthy_with_comparisons(turn.watch, raised, range(93, 96))) == "undecided"


def test_a_pass_is_not_given_out_blindly(begun, route):
    """While the telemetry cannot be trusted, the old pass does not raise a weight."""
    watch = healthy_with_comparisons(begun, route, range(2, 92))
    blind = tick(watch, 92, route, stale="the log is behind").watch
    assert shown_verdict(blind) == "undecided"
    assert blind.hold == "the log is behind"


def test_a_share_that_does_not_fit_the_weight_holds(begun, route):
    """Half of the requests at a weight of 10 %: the telemetry is wrong, and nobody passes on it."""
    watch = healthy_with_comparisons(begun, route.model_copy(update={"weight": 0.1}), range(2, 92))
    assert watch.hold is not None
    assert "do not fit weight 0.1" in watch.hold
    assert shown_verdict(watch) == "undecided"


def test_nothing_is_judged_at_weight_zero(contract, make_route):
    """In the shadow phase no client can be harmed; the candidate is armed, so the first raise finds it so."""
    route = make_route(weight=0.0)
    watch = watching.begin(route, contract, at(0), cursor=Cursor(), place=START, lease_seconds=4.0)
    for second in range(2, 60):
        legacy = tuple(request(n, second - 1, Arm.LEGACY, weight=0.0) for n in range(20))
        turn = tick(watch, second, route, records=legacy)
        watch = turn.watch
        assert turn.judged == ()
        assert turn.breach is None
    assert watch.lease.fresh(at(59.6).boot_seconds)
    assert tick(watch, 60, route.model_copy(update={"step_lease_seconds": 1.0})).breach is None


def test_a_gap_in_telemetry_disarms_and_then_rolls_back(begun, route):
    """The lease runs out first: clients are on legacy; after half a minute the attempt is over for good."""
    watch = tick(begun, 2, route, records=traffic(1)).watch
    assert watch.lease.fresh(at(3).boot_seconds)
    second = 3
    turn = tick(watch, second, route, stale="the log is behind")
    while turn.breach is None:
        second += 1
        turn = tick(turn.watch, second, route, stale="the log is behind")
        assert second < 100
    assert not turn.watch.lease.fresh(at(7).boot_seconds)
    assert BLIND_LONGEST_SECONDS <= second - 3 <= BLIND_LONGEST_SECONDS + 1
    assert turn.breach.reason.startswith("no fresh telemetry for 3")


def test_what_a_late_log_brings_is_counted_when_it_comes(begun, route):
    """Seconds are not closed over missing lines: a failing candidate is found once the log is back."""
    watch = tick(begun, 2, route, records=traffic(1)).watch
    for second in range(3, 12):
        turn = tick(watch, second, route, stale="the log is behind")
        watch = turn.watch
        assert turn.judged == ()
    late = tuple(r for second in range(2, 12) for r in traffic(second, failing=0.5))
    turn = tick(watch, 12, route, records=late)
    assert turn.breach is not None
    assert turn.breach.reason.startswith("errors: ")


def test_a_stopped_sentinel_looks_before_it_judges(begun, route):
    """An hour of SIGSTOP is no gap in telemetry: what came meanwhile is read, counted and judged."""
    watch = tick(begun, 2, route, records=traffic(1)).watch
    turn = tick(watch, 3600, route, records=traffic(2))
    assert turn.breach is None
    assert turn.watch.lease.fresh(at(3600.6).boot_seconds)


def test_the_step_lease_rolls_back_when_nobody_says_a_word(begun, route):
    """A weight whose flow died does not stand for ever; a new version of the route is a new word."""
    leased = route.model_copy(update={"step_lease_seconds": 20.0})
    turn = tick(begun, 19, leased)
    assert turn.breach is None
    assert tick(turn.watch, 20, leased).breach.reason == "step lease ran out"
    renewed = tick(turn.watch, 20, leased.model_copy(update={"version": "iris-1.3"}))
    assert renewed.breach is None
    assert tick(renewed.watch, 39, leased.model_copy(update={"version": "iris-1.3"})).breach is None


@settings(max_examples=25, deadline=None)
@given(cuts=st.sets(st.integers(2, 40), max_size=5), failing=st.sampled_from([0.0, 0.1, 0.3]))
def test_saved_and_restored_anywhere_it_reaches_the_same_verdicts(cuts, failing):
    """Killing it after any saved tick changes no verdict, no number and no look."""
    straight, restored = _both_ways(cuts, failing)
    assert straight == restored


def _both_ways(cuts, failing):
    from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Wire  # noqa: PLC0415 -- not for fixtures
    from turnout.domain.route import Backend, Route  # noqa: PLC0415

    same = SameAnswer(kind=AnswerKind.LABELS)
    contract = Contract(model="iris", wire=Wire.V1, inputs=(), outputs=(), same_answer=same, bounds=Bounds())
    route = Route(
        model="iris", version="iris-1.2", stable=Backend(name="l", port=1), weight=0.5, attempt="iris-1"
    )
    courses = []
    for kills in (set(), cuts):
        watch = watching.begin(route, contract, at(0), cursor=Cursor(), place=START, lease_seconds=4.0)
        course = []
        for second in range(2, 42):
            turn = tick(watch, second, route, records=traffic(second - 1, failing=failing))
            watch = turn.watch
            course += [(j.look, j.verdict.kind, j.verdict.evidence) for j in turn.judged]
            if turn.breach:
                course.append(turn.breach)
                break
            if second in kills:
                watch = restore(unsealed(sealed(to_save(watch)), attempt="iris-1"), lease_seconds=4.0)
        courses.append(course)
    return courses


def test_a_guard_of_another_make_is_torn(begun):
    """A record whose guard placed other bets is refused, not misread."""
    record = to_save(begun)
    with pytest.raises(TornError):
        restore(record.model_copy(update={"guarded": ("errors",)}), lease_seconds=4.0)
    with pytest.raises(TornError):
        restore(record.model_copy(update={"counter": "[]"}), lease_seconds=4.0)


def test_without_replays_answers_are_not_guarded(contract):
    """A model with side effects could never pass `differs`; what is guarded says so."""
    once = contract.model_copy(update={"policy": contract.policy.model_copy(update={"replayable": False})})
    assert watching.guarded(once) == ("errors", "slow")
    assert watching.guarded(contract) == ("errors", "slow", "differs")


def test_an_ended_attempt_is_never_armed(begun, route):
    """After the end there is no lease, whatever was fresh before."""
    watch = tick(begun, 2, route, records=traffic(1)).watch
    over = watching.ended(watch, Ended(by="ana", reason="no", at_seconds=1.0))
    assert not over.lease.fresh(at(2.6).boot_seconds)


def test_a_clock_that_jumped_for_a_moment_does_not_hold_a_shadow_test_for_an_hour(contract, make_route):
    """At weight 0 counting follows the clock back at once: the attempt is armed again, and gets replays."""
    quiet = make_route(weight=0.0, version="iris-1.1")
    watch = watching.begin(quiet, contract, at(0), cursor=Cursor(), place=START, lease_seconds=4.0)
    for second in (1, 2, 3603, 3604):
        watch = tick(watch, second, quiet).watch
    back = tick(watch, 5, quiet, now=at(5.55, boot_seconds=500.0 + 3605)).watch
    assert back.hold is None
    assert back.lease.fresh(500.0 + 3605)


def test_a_candidate_with_traffic_is_not_judged_anew_by_a_clock_that_was_set_back(begun, route):
    """What has clients is not let off by a clock: it is blind, and goes back after its time."""
    turn, _ = run(begun, route, range(2, 10))
    watch = turn.watch
    for second in (3610, 3611):
        watch = tick(watch, second, route).watch
    last = None
    for step_ in range(1, int(BLIND_LONGEST_SECONDS) + 3):
        last = tick(watch, 10 + step_, route, now=at(10.55 + step_, boot_seconds=500.0 + 3611 + step_))
        watch = last.watch
        assert watch.hold is not None
        if last.breach:
            break
    assert last.breach is not None
    assert "behind the clock" in last.breach.reason
