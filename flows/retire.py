"""Retire and restore: legacy goes on its owner's word, and comes back on anybody's."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from flows.gate import pass_gate
from flows.pages import show, summary
from flows.rollback import clear_away
from tasks.gate import passing
from tasks.retire import fit_to_retire, restore_legacy, retire_legacy
from turnout.domain.approval import Gate
from turnout.domain.attempt import End, Outcome
from turnout.domain.errors import PermanentError, RefusedError
from turnout.domain.evidence import Evidence, Phase, Verdict
from turnout.domain.gate import Course, standing
from turnout.wiring.migrating import current


@flow(name="retire", flow_run_name="retire legacy of {model}", log_prints=True)
def retire(model: str) -> State:
    """Scale a model's legacy down, once it has been cut over for long enough and its owner says so.

    Args:
        model: The model.

    Returns:
        Legacy retired, or Rejected: then nothing has changed.

    Raises:
        RefusedError: The model is not cut over.
        PermanentError: It does not stand well enough yet; the message says what is missing.
    """
    run = str(flow_run.id)
    with current().attempts.alone(model, run):
        attempt = current().attempts.bound(run) or current().attempts.bind(run, _cut_over(model))
        if current().attempts.retirement(attempt) is None:  # one that has begun is brought to its end
            decided = pass_gate(Gate.RETIRE, _shown(model, attempt), run)
            if decided is None:
                return Failed(name="Rolled back", message=f"{attempt} ended while the gate waited")
            if decided.course is Course.REJECTED:
                return Failed(name="Rejected", message=f"{attempt}: {decided.note}")
        end = retire_legacy(model, attempt)
    return Completed(name="Legacy retired", message=f"{attempt}: {end.reason} (by {end.by})")


@flow(name="restore", flow_run_name="restore legacy of {model}", log_prints=True)
def restore(model: str, reason: str, by: str = "a flow") -> End:
    """Bring retired legacy back and give it all of its traffic; what had its place is cleared away.

    Args:
        model: The model.
        reason: Why, for the record.
        by: On whose word.

    Raises:
        RefusedError: Legacy of this model is not retired.
    """
    newest = current().attempts.newest(model)
    with current().attempts.alone(model, str(flow_run.id)):
        attempt = newest.id if newest else f"{model}-0"
        end = restore_legacy(model, attempt, reason, by)
        clear_away(model, attempt)
    return end


def _cut_over(model: str) -> str:
    """The model's attempt that was cut over, or whose retirement has begun."""
    attempts = current().attempts
    newest = attempts.newest(model)
    end = attempts.ended(newest.id) if newest else None
    if newest and end and end.outcome in (Outcome.CUT_OVER, Outcome.RETIRED):
        return newest.id
    raise RefusedError(
        f"retirement of legacy of {model}",
        observed=f"{newest.id} is {end.outcome if end else 'under way'}" if newest else "no attempt",
        limit="an attempt that was cut over",
        remedy="Run migrate first.",
    )


def _shown(model: str, attempt: str) -> Evidence:
    """The evidence that the owner is asked over, or has approved; found anew where it was neither."""
    wiring = current()
    asked = wiring.attempts.asked(attempt)
    if asked and asked.gate is Gate.RETIRE:
        return asked.evidence
    known = passing(wiring, model, attempt, Phase.RETIRE)
    answers = wiring.approvals.answers(attempt, Gate.RETIRE)
    if known and standing(answers, known.digest).course is Course.PASSED:
        return known
    evidence = fit_to_retire(model, attempt)
    show(evidence)
    if evidence.verdict is Verdict.PASS:
        return evidence
    raise PermanentError(
        f"retirement of legacy of {model}",
        observed=summary(evidence),
        limit="a full share, served under guard for long enough",
        remedy="Wait, or write a shorter retire_after_seconds into the contract; then run retire again.",
    )
