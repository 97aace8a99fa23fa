"""What stands behind a gate: whose word counts, whether a code proves it, whether a weight may rise.

`flows.gate` asks; this records and checks. Raising a weight comes here by itself, so a phase that is started
alone, or a run that was resumed by force, gets nowhere.
"""

import time

from turnout.domain.approval import Approval, Gate, require
from turnout.domain.errors import RefusedError
from turnout.domain.evidence import Evidence, Phase, Verdict
from turnout.domain.gate import Answer, Ask, CodeCheck, judged
from turnout.domain.workload import Workload
from turnout.wiring.migrating import Wiring, current

SHOWN = {Gate.CANARY: Phase.SHADOW, Gate.CUTOVER: Phase.CANARY, Gate.RETIRE: Phase.RETIRE}
"""The phase whose evidence each gate is asked over."""

OLDEST_SECONDS = 180.0
"""A code is checked against the time when it was handed in, at most this long ago: a run may need half a
minute to wake up on a busy machine, and its owner cannot help that."""


def passing(wiring: Wiring, model: str, attempt: str, phase: Phase) -> Evidence | None:
    """Return the newest passing evidence of a phase of an attempt."""
    found = wiring.evidence.history(model, phase, attempt)
    return next((e for e in reversed(found) if e.verdict is Verdict.PASS), None)


def approved(model: str, attempt: str, gate: Gate) -> Approval:
    """Return the approval that lets a weight rise.

    Raises:
        RefusedError: There is no passing evidence, or nobody has approved it.
    """
    wiring = current()
    evidence = passing(wiring, model, attempt, SHOWN[gate])
    if evidence is None:
        raise RefusedError(
            f"gate {gate} of {attempt}",
            observed=f"no passing evidence of its {SHOWN[gate]}",
            limit=f"a passed {SHOWN[gate]}, approved by the owner",
            remedy="Run the whole migration (migrate).",
        )
    answers = wiring.approvals.answers(attempt, gate)
    return require(answers, attempt=attempt, gate=gate, evidence_digest=evidence.digest)


def settle(ask: Ask, answer: Answer | None, handed_in_seconds: float) -> Approval:
    """Check what came out of a form and record it; an ask that has its answer keeps it.

    Args:
        ask: The question.
        answer: None where the run was resumed without one.
        handed_in_seconds: When Prefect took the answer, Unix time.
    """
    wiring, now = current(), time.time()
    known = [a for a in wiring.approvals.answers(ask.attempt, ask.gate) if a.ask == ask.number]
    if known:  # Prefect hands an answer out again whenever a run wakes up; its code was checked then
        return known[0]
    check = CodeCheck(accepted=False)
    if answer is not None:
        at = min(max(handed_in_seconds, now - OLDEST_SECONDS), now)
        check = wiring.owners.verify(ask.owner, answer.code, at)
    approval = judged(ask, answer, check, now)
    wiring.approvals.record(approval)
    return approval


def workload(model: str) -> Workload | None:
    """Return the model as it was found, where discovery has run."""
    from turnout.domain.inventory import Inventory  # noqa: PLC0415 -- only a gate's page and policy need it

    file = current().state.work / "inventory.json"
    if not file.is_file():
        return None
    return Inventory.model_validate_json(file.read_bytes()).workload(model)
