"""Gates: suspend the run, show the evidence, and go on only on the owner's word, proved by a one-time code.

A gate first reads its own record. Prefect hands every earlier answer out again whenever a run wakes up, so
the answer of an ask is taken from the run's inputs once, recorded, and never looked at again.
"""

import time
from typing import Literal
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRunInput
from prefect.flow_runs import resume_flow_run, suspend_flow_run
from prefect.input import RunInput
from pydantic import Field

from flows.pages import page, show
from tasks.gate import settle, workload
from tasks.weight import over, renew
from turnout.domain.approval import Approval, Decision, Gate
from turnout.domain.attempt import Progress
from turnout.domain.evidence import Evidence
from turnout.domain.gate import Answer, Ask, Course, Standing, by_policy, policy_passes, standing
from turnout.wiring.migrating import Wiring, current

_LEASE_MARGIN_SECONDS = 120.0
"""A weight stands a little longer than its gate may wait: an answer in the last minute still counts."""


class GateForm(RunInput):
    """The form on the run's page."""

    decision: Literal["approve", "reject"] = Field(description="Approve or reject.")
    code: str = Field(description="Your one-time code: six digits, each code counts once.")
    reason: str = Field(min_length=1, description="Why, for the record.")


def pass_gate(gate: Gate, evidence: Evidence, run: str) -> Standing | None:
    """Return how a gate was decided over this evidence; suspends the run while it is not.

    Args:
        gate: The gate.
        evidence: What is shown, of a model's attempt; frozen: the answer is bound to its digest.
        run: Id of the run, which is the one to be suspended.

    Returns:
        The decision; None where the attempt ended meanwhile.
    """
    wiring, model, attempt = current(), evidence.subject, str(evidence.attempt)
    while not over(model, attempt):
        now = standing(wiring.approvals.answers(attempt, gate), evidence.digest)
        if now.course is not Course.WAITING:
            wiring.attempts.ask(attempt, None)
            return now
        ask = Ask(
            model=model,
            attempt=attempt,
            gate=gate,
            number=now.number,
            owner=wiring.owners.of(model),
            evidence=evidence,
            note=now.note,
            run=run,
        )
        if _by_policy(wiring, ask):
            wiring.approvals.record(by_policy(ask, time.time()))
        else:
            _tell(_put(wiring, ask))
    wiring.attempts.ask(attempt, None)
    return None


def answer(run: str, *, decision: str, code: str, reason: str) -> None:
    """Answer the gate that a run waits at: what the form on its page does.

    Args:
        run: Id of the suspended run.
        decision: approve or reject.
        code: The owner's one-time code.
        reason: The owner's words.
    """
    resume_flow_run(UUID(run), run_input={"decision": decision, "code": code, "reason": reason})


def _by_policy(wiring: Wiring, ask: Ask) -> bool:
    contract = wiring.contract(ask.model)
    found = workload(ask.model) if contract.gates_on_evidence else None
    return policy_passes(contract, found.criticality if found else None, ask.gate, ask.evidence)


def _put(wiring: Wiring, ask: Ask) -> Approval:
    """Put the ask to its owner and record what came of it; suspends the run until the form is handed in."""
    run = UUID(str(ask.run))
    with get_client(sync_client=True) as client:
        found = _handed_in(client, run, ask)
        forced = found is None and ask.key in (client.read_flow_run(run).empirical_policy.pause_keys or ())
        if found is None and not forced:
            _clear(client, run, ask)
    if found is not None:
        return settle(ask, _answer(found), found.created.timestamp() if found.created else 0.0)
    if not forced:
        _wait(wiring, ask)  # ends this process; when the run wakes up, it begins anew
    return settle(ask, None, time.time())  # woken without a form: somebody forced it


def _wait(wiring: Wiring, ask: Ask) -> None:
    rollout = wiring.contract(ask.model).rollout
    longest = rollout.gate_longest_seconds
    if ask.gate in (Gate.CUTOVER, Gate.EXTEND):  # the weight stays where it is while its owner thinks
        renew(ask.model, ask.attempt, longest + _LEASE_MARGIN_SECONDS)
    show(ask.evidence, name=ask.key, heading=_heading(ask))
    now = time.time()
    wiring.attempts.ask(ask.attempt, ask)
    wiring.attempts.note(ask.attempt, Progress(doing=f"gate {ask.gate}", run=ask.run, at_seconds=now))
    docs = wiring.settings.data_docs
    form = GateForm.with_initial_data(description=f"{_heading(ask)}\n\n{page(ask.evidence, data_docs=docs)}")
    suspend_flow_run(wait_for_input=form, timeout=int(longest), key=ask.key)


def _handed_in(client: SyncPrefectClient, run: UUID, ask: Ask) -> FlowRunInput | None:
    key = f"suspended-{ask.key}-response"
    found = client.filter_flow_run_input(run, key_prefix=key, limit=10, exclude_keys=set())
    return next((one for one in found if one.key == key), None)


def _clear(client: SyncPrefectClient, run: UUID, ask: Ask) -> None:
    """Take away the form of a suspension that a crash has undone; Prefect would not put it up twice."""
    prefix = f"suspended-{ask.key}-"
    for one in client.filter_flow_run_input(run, key_prefix=prefix, limit=10, exclude_keys=set()):
        client.delete_flow_run_input(run, one.key)


def _answer(found: FlowRunInput) -> Answer | None:
    try:
        form = GateForm.model_validate(found.decoded_value)
    except ValueError:
        return None
    return Answer(decision=Decision(form.decision), code=form.code, reason=form.reason)


def _heading(ask: Ask) -> str:
    again = f"\n\n**Asked again, because the last answer was refused: {ask.note}.**" if ask.note else ""
    differs = ""
    found = workload(ask.model)
    if found and found.owner and found.owner != ask.owner:
        differs = (
            f"\n\nThe workload itself names {found.owner} as its owner; the owners file names {ask.owner}."
        )
    return (
        f"# {ask.model}: {_QUESTION[ask.gate]}\n\n**{ask.owner}** decides, with the one-time code of their "
        f"authenticator app (in the lab: `turnout code {ask.owner}`). "
        f"Each code counts once.{again}{differs}"
    )


_QUESTION = {
    Gate.CANARY: "may the candidate have its first traffic?",
    Gate.CUTOVER: "may the candidate have its full share?",
    Gate.EXTEND: "not enough evidence yet; may this step wait on at its weight?",
    Gate.RETIRE: "may legacy be scaled down? Without it there is no control and no way back at once.",
}


def _tell(approval: Approval) -> None:
    ask = f"gate {approval.gate} of {approval.attempt}, ask {approval.ask}"
    print(f"{ask}: {approval.decision} by {approval.owner}: {approval.reason}")  # noqa: T201 -- Prefect logs what flows print
