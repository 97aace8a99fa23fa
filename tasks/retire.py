"""Retire: legacy goes once its owner says so, and what was cut over stands alone; restore brings it back.

The candidate's servers become the route's stable ones, and then its attempt is over: no write gives legacy
traffic any more, and the sentinel has nothing to send back to. Only then is legacy scaled down. The way back
goes the other way round: legacy is there and answers before a single request is sent to it.
"""

import time
from functools import partial

from tasks import step
from tasks.asking import answered
from tasks.gate import approved, passing
from tasks.package import golden
from turnout import __version__
from turnout.domain.approval import Gate
from turnout.domain.attempt import End, Outcome, Retirement
from turnout.domain.canary import same_weight
from turnout.domain.contract import Contract
from turnout.domain.errors import RefusedError, TemporaryError
from turnout.domain.evidence import Evidence, Phase, Verdict, digest_of
from turnout.domain.route import Backend, Registration
from turnout.wiring.migrating import Wiring, current

_ANSWERS = 3
"""Golden requests that legacy answers before it gets its traffic back."""
_ANSWERS_WITHIN_SECONDS = 60.0


@step(name="stand without legacy", task_run_name="{attempt}")
def fit_to_retire(model: str, attempt: str) -> Evidence:
    """Gather whether a candidate has served its full share under guard for long enough.

    Returns:
        A pass, or a hold that says what is missing; the owner is asked over a pass alone.
    """
    wiring = current()
    contract, end = wiring.contract(model), wiring.attempts.ended(attempt)
    route, report = wiring.router.read(model), wiring.sentinel.report(attempt)
    served = time.time() - end.at_seconds if end and end.outcome is Outcome.CUT_OVER else 0.0
    least, share = contract.rollout.retire_after_seconds, contract.rollout.final_weight
    lacking = []
    if not wiring.legacy_size.scales(model):
        lacking.append("nothing here scales its legacy: it is neither a lab's nor a cluster's")
    if route.attempt != attempt or not same_weight(route.weight, share):
        lacking.append(f"the candidate has {route.weight:.0%} of the traffic, not its full share")
    if served < least:
        lacking.append(f"it has served its full share for {served:.0f} s, not for {least:.0f} s")
    if report is None or not report.armed or report.hold is not None or report.verdict == "breach":
        why = report.hold or report.verdict if report else "it does not answer"
        lacking.append(f"the sentinel does not guard it now: {why}")
    evidence = Evidence(
        subject=model,
        phase=Phase.RETIRE,
        attempt=attempt,
        inputs_digest=_inputs(wiring, model, attempt, contract),
        measurements={
            "weight": route.weight,
            "served_seconds": round(served, 1),
            "signals": report.evidence if report else {},
        },
        bounds={"weight": share, "served_seconds": least},
        verdict=Verdict.HOLD if lacking else Verdict.PASS,
        reasons=tuple(lacking),
        code_version=__version__,
        at_seconds=time.time(),
    )
    wiring.evidence.write(evidence)
    return evidence


@step(name="retire legacy", task_run_name="{attempt}")
def retire_legacy(model: str, attempt: str) -> End:
    """Let an attempt's servers take legacy's place, end the attempt, and scale legacy down.

    Started again after a crash it goes on where it was.

    Raises:
        RefusedError: Nobody approved it, or the attempt was rolled back before it was done.
        TemporaryError: The router does not report it, or legacy does not end.
    """
    wiring = current()
    owner = approved(model, attempt, Gate.RETIRE).owner
    kept = wiring.attempts.retirement(attempt) or _keep(wiring, model, attempt)
    reason = f"legacy is retired; the servers of {attempt} have its place"
    _let_serve(wiring, model, kept.successor)
    end = End(outcome=Outcome.RETIRED, by=owner, reason=reason, at_seconds=time.time())
    wiring.attempts.end(attempt, end)
    stone = wiring.router.roll_back(model, attempt, reason=reason, by=owner)
    if stone.reason != reason:  # the sentinel, or a person, came first: it is not fit to stand alone
        _let_serve(wiring, model, kept.stable)
        back = End(outcome=Outcome.ROLLED_BACK, by=stone.by, reason=stone.reason, at_seconds=stone.at_seconds)
        wiring.attempts.end(attempt, back)
        wiring.attempts.retire(attempt, None)
        raise RefusedError(
            f"retirement of legacy of {model}", observed=f"rolled back by {stone.by}: {stone.reason}",
            limit="a candidate that stands", remedy="Legacy has all traffic; begin a new attempt.",
        )  # fmt: skip
    wiring.legacy_size.retire(model)
    return end


@step(name="bring legacy back", task_run_name="{attempt}")
def restore_legacy(model: str, attempt: str, reason: str, by: str) -> End:
    """Bring retired legacy back, see that it answers, and give it all of its traffic.

    Raises:
        RefusedError: Legacy of this model is not retired.
        TemporaryError: Legacy is not ready, or does not answer well, in time; clients notice nothing.
    """
    wiring = current()
    kept = wiring.attempts.retirement(attempt)
    if kept is None:
        raise RefusedError(
            f"legacy of {model}", observed="not retired", limit="a retired one",
            remedy="Run rollback where a candidate has traffic.",
        )  # fmt: skip
    wiring.legacy_size.restore(model)
    _await_answers(wiring, model)
    _let_serve(wiring, model, kept.stable)
    end = End(outcome=Outcome.ROLLED_BACK, by=by, reason=reason, at_seconds=time.time())
    wiring.attempts.end(attempt, end)
    wiring.attempts.retire(attempt, None)
    return end


def _keep(wiring: Wiring, model: str, attempt: str) -> Retirement:
    route = wiring.router.read(model)
    if route.attempt != attempt or route.candidate is None:
        raise RefusedError(
            f"retirement of legacy of {model}", observed=f"the live attempt is {route.attempt or 'none'}",
            limit=f"{attempt}, which was approved", remedy="Begin a new attempt.",
        )  # fmt: skip
    kept = Retirement(
        model=model, attempt=attempt, stable=route.stable, successor=route.candidate, at_seconds=time.time()
    )
    wiring.attempts.retire(attempt, kept)
    return kept


def _let_serve(wiring: Wiring, model: str, servers: Backend) -> None:
    """Make servers the stable ones of a model's route."""
    port = wiring.router.read(model).listen_port
    policy = wiring.contract(model).policy
    wiring.router.register(Registration(model=model, listen_port=port, stable=servers, policy=policy))


def _await_answers(wiring: Wiring, model: str) -> None:
    contract, ask = wiring.contract(model), partial(wiring.legacy.predict, wiring.contract(model))
    requests = [one["request"] for one in golden(wiring, model)[:_ANSWERS]]
    until = time.monotonic() + _ANSWERS_WITHIN_SECONDS
    while fault := next((f for each in requests if (f := answered(contract, ask, each)[0])), None):
        if time.monotonic() > until:
            raise TemporaryError(
                f"legacy of {model}", observed=fault, limit="good answers, before it has clients again",
                remedy="Look into its log; then run restore again.",
            )  # fmt: skip
        time.sleep(1.0)


def _inputs(wiring: Wiring, model: str, attempt: str, contract: Contract) -> str:
    cut_over = passing(wiring, model, attempt, Phase.CUTOVER)
    least = contract.rollout.retire_after_seconds
    return digest_of({"cutover": cut_over.digest if cut_over else None, "retire_after_seconds": least})
