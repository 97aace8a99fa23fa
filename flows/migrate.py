"""Migrate: one model through all phases, behind its owner's gates.

A run moves one attempt and no other, however often it is started again: after a crash it goes on from the
evidence, the route and the recorded answers. Going again after an attempt has ended is a new run with
`again`; it begins the next attempt, which has to pass the owner's gates anew.
"""

import time
from collections.abc import Callable
from uuid import UUID

from prefect import flow, get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from flows.baseline import baseline
from flows.canary import canary
from flows.cutover import cutover
from flows.deploy import deploy
from flows.discover import discover
from flows.gate import pass_gate
from flows.package import package
from flows.pages import summary
from flows.plan import plan
from flows.rollback import rollback
from flows.shadow import shadow
from tasks.gate import passing
from tasks.hold import wait_while_held
from tasks.plan_lines import unblocked
from tasks.weight import over
from turnout.domain.approval import Gate
from turnout.domain.attempt import End, Outcome, Progress
from turnout.domain.errors import PermanentError, RefusedError, TurnoutError
from turnout.domain.evidence import Evidence, Phase, Verdict
from turnout.domain.gate import Course
from turnout.wiring.migrating import current


class _StopError(Exception):
    """The attempt goes no further: back to legacy with it."""

    def __init__(self, outcome: Outcome, reason: str, by: str) -> None:
        super().__init__(outcome, reason, by)
        self.outcome, self.reason, self.by = outcome, reason, by


@flow(name="migrate", flow_run_name="migrate {model}", log_prints=True)
def migrate(model: str, again: bool = False) -> State:
    """Move one model to its new place, or end with all its traffic on legacy.

    Args:
        model: The model.
        again: Begin a new attempt where the last one has ended.

    Returns:
        How it ended: Cut over, Stopped in shadow, Rolled back, Rejected or Abandoned.

    Raises:
        TurnoutError: It could not go on; started again, it goes on from here.
    """
    run = str(flow_run.id)
    with current().attempts.alone(model, run):
        attempt = current().attempts.bound(run) or current().attempts.bind(run, _choose(model, again=again))
        end = _through(model, attempt, run)
    kind, name = _STATES[end.outcome]
    return kind(name=name, message=f"{attempt}: {end.reason} (by {end.by})")


_STATES: dict[Outcome, tuple[Callable[..., State], str]] = {
    Outcome.CUT_OVER: (Completed, "Cut over"),
    Outcome.RETIRED: (Completed, "Legacy retired"),
    Outcome.STOPPED_IN_SHADOW: (Failed, "Stopped in shadow"),
    Outcome.ROLLED_BACK: (Failed, "Rolled back"),
    Outcome.REJECTED: (Failed, "Rejected"),
    Outcome.ABANDONED: (Cancelled, "Abandoned"),
}
"""As Prefect's pages show them: type and name."""


def _choose(model: str, *, again: bool) -> str:
    """Return the attempt that a new run moves: the living one, the first, or with `again` the next."""
    attempts = current().attempts
    current().router.read(model)  # an unknown model is refused before anything is written
    newest = attempts.newest(model)
    if newest is not None and attempts.retirement(newest.id) is not None:
        raise RefusedError(
            model,
            observed=f"legacy is retired; {newest.id} has its place",
            limit="legacy, which a candidate is compared with",
            remedy="Run restore first: it brings legacy back.",
        )
    if newest is None or (again and over(model, newest.id)):
        return attempts.new(model).id
    if over(model, newest.id):
        end = attempts.ended(newest.id)
        raise RefusedError(
            newest.id,
            observed=f"ended: {end.outcome}: {end.reason}" if end else "ended by a rollback",
            limit="a living attempt",
            remedy="Run migrate with again=true to begin a new one; its gates are asked anew.",
        )
    _refuse_second(newest.id)
    return newest.id


def _refuse_second(attempt: str) -> None:
    """Refuse to move what another run of Prefect is still to move, for example after its gate."""
    progress = current().attempts.progress(attempt)
    if progress is None or progress.run is None:
        return
    with get_client(sync_client=True) as client:
        try:
            state = client.read_flow_run(UUID(progress.run)).state
        except ObjectNotFound:
            return
    if state is not None and not state.is_final():
        raise RefusedError(
            attempt,
            observed=f"run {progress.run} moves it ({state.name}, {progress.doing})",
            limit="one run an attempt",
            remedy="Answer its gate, or cancel that run first.",
        )


def _through(model: str, attempt: str, run: str) -> End:
    known = current().attempts.ended(attempt)
    if known and known.outcome is Outcome.RETIRED:
        return known
    if over(model, attempt):
        return _back(model, attempt, Outcome.ROLLED_BACK, "the attempt was ended", "somebody")
    if known:
        return known
    try:
        return _move(model, attempt, run)
    except _StopError as stop:
        return _back(model, attempt, stop.outcome, stop.reason, stop.by)
    except TurnoutError as error:
        if not over(model, attempt):
            raise
        return _back(model, attempt, Outcome.ROLLED_BACK, str(error), "migrate")


def _move(model: str, attempt: str, run: str) -> End:
    asked = current().attempts.asked(attempt)  # woken at a gate: its evidence was frozen when it was asked
    if asked is None or asked.gate is Gate.CANARY:
        _gate(Gate.CANARY, asked.evidence if asked else _shadowed(model, attempt, run), run)
    _gate(Gate.CUTOVER, _proven(model, attempt, run), run)
    _begin(model, attempt, run, Phase.CUTOVER)
    evidence = cutover(model, attempt)
    if over(model, attempt):
        raise _StopError(Outcome.ROLLED_BACK, summary(evidence), "migrate")
    _require(evidence)
    end = End(outcome=Outcome.CUT_OVER, by="migrate", reason=_share(evidence), at_seconds=time.time())
    current().attempts.end(attempt, end)
    return end


def _shadowed(model: str, attempt: str, run: str) -> Evidence:
    """Bring an attempt to its passed shadow test; what was done before is found, not done again."""
    known = passing(current(), model, attempt, Phase.SHADOW)
    if known and current().router.read(model).attempt == attempt:
        return known
    _planned(model, attempt)
    _begin(model, attempt, run, Phase.BASELINE)
    _require(baseline(model))
    for phase, act in ((Phase.PACKAGE, package), (Phase.DEPLOY, deploy)):
        _begin(model, attempt, run, phase)
        _require(act(model, attempt))
    _begin(model, attempt, run, Phase.SHADOW)
    evidence = shadow(model, attempt)
    if evidence.verdict is Verdict.FAIL:
        raise _StopError(Outcome.STOPPED_IN_SHADOW, "; ".join(evidence.reasons), "the shadow test")
    return _require(evidence)


def _planned(model: str, attempt: str) -> None:
    """See that the model is planned and unblocked, and let the attempt name the line that it carries out."""
    work, attempts = current().state.work, current().attempts
    if not (work / "inventory.json").is_file():
        _require(discover())
    if not (work / "plan.json").is_file():
        _require(plan())
    line = unblocked(current().state, model)
    attempts.save(attempts.get(attempt).model_copy(update={"plan_digest": line.digest}))


def _proven(model: str, attempt: str, run: str) -> Evidence:
    """Bring an attempt through its canary; the owner is asked whenever a step lacks evidence for too long."""
    while True:
        asked = current().attempts.asked(attempt)
        if asked and asked.gate in (Gate.EXTEND, Gate.CUTOVER):
            evidence = asked.evidence
        else:
            _begin(model, attempt, run, Phase.CANARY)
            evidence = canary(model, attempt)
        if evidence.verdict is Verdict.PASS:
            return evidence
        if evidence.verdict is Verdict.FAIL:
            raise _StopError(Outcome.ROLLED_BACK, "; ".join(evidence.reasons), "migrate")
        _gate(Gate.EXTEND, evidence, run)


def _gate(gate: Gate, evidence: Evidence, run: str) -> None:
    decided = pass_gate(gate, evidence, run)
    if decided is None:
        raise _StopError(Outcome.ROLLED_BACK, f"ended while gate {gate} waited", "migrate")
    if decided.course is Course.REJECTED:
        owner = current().owners.of(evidence.subject)
        raise _StopError(Outcome.REJECTED, f"gate {gate}: {decided.note}", owner)


def _begin(model: str, attempt: str, run: str, phase: Phase) -> None:
    """Before each phase: obey a hold and the end of the attempt, and say what is being done."""
    wait_while_held(model, attempt)
    if over(model, attempt):
        raise _StopError(Outcome.ROLLED_BACK, f"ended before {phase}", "migrate")
    current().attempts.note(attempt, Progress(doing=phase, run=run, at_seconds=time.time()))


def _require(evidence: Evidence) -> Evidence:
    if evidence.verdict is Verdict.PASS:
        return evidence
    raise PermanentError(
        f"{evidence.phase} of {evidence.attempt or evidence.subject}",
        observed=summary(evidence),
        limit="a pass",
        remedy="Remove the cause and start migrate again: it goes on from here.",
    )


def _back(model: str, attempt: str, outcome: Outcome, reason: str, by: str) -> End:
    """Take an attempt back and keep what became of it; a word that was there before stands."""
    current().attempts.ask(attempt, None)
    rollback(model, attempt, reason, by)
    known = current().attempts.ended(attempt)
    if known and known.outcome is not Outcome.CUT_OVER:
        return known
    stone = current().router.tombstone(model, attempt)
    if outcome is Outcome.ROLLED_BACK and stone:
        by, reason = stone.by, stone.reason
    end = End(outcome=outcome, by=by, reason=reason, at_seconds=time.time())
    current().attempts.end(attempt, end)
    return end


def _share(evidence: Evidence) -> str:
    return f"{float(evidence.measurements['weight']):.0%} of the traffic"
