"""The cutover: the candidate gets its full share, legacy keeps the control share and stays warm."""

import time

from tasks import step
from tasks.gate import passing
from tasks.weight import over, raise_to
from turnout import __version__
from turnout.domain.approval import Gate
from turnout.domain.canary import same_weight
from turnout.domain.contract import Contract
from turnout.domain.evidence import Evidence, Phase, Verdict, digest_of
from turnout.wiring.migrating import Wiring, current

_GUARDED_WITHIN_SECONDS = 30.0


@step(name="cut over", task_run_name="{attempt}")
def cut_over(model: str, attempt: str) -> Evidence:
    """Bring the candidate to its final weight and see that the sentinel guards it there.

    Raises:
        RefusedError: Nobody approved it, or the attempt is not the live one.
    """
    wiring = current()
    contract = wiring.contract(model)
    final = contract.rollout.final_weight
    route = raise_to(model, attempt, final, gate=Gate.CUTOVER, lease_seconds=None)
    if known := passing(wiring, model, attempt, Phase.CUTOVER):
        return known
    guarded = _guarded(wiring, model, attempt, final)
    evidence = Evidence(
        subject=model,
        phase=Phase.CUTOVER,
        attempt=attempt,
        inputs_digest=_inputs(wiring, model, attempt, contract),
        measurements={"weight": route.weight, "route_version": route.version, "guarded": guarded},
        bounds={"weight": final, "control_share": 1 - final},
        verdict=Verdict.PASS if guarded else Verdict.FAIL,
        reasons=() if guarded else (_unguarded(wiring, model, attempt),),
        code_version=__version__,
        at_seconds=time.time(),
    )
    wiring.evidence.write(evidence)
    return evidence


def _guarded(wiring: Wiring, model: str, attempt: str, weight: float) -> bool:
    """Wait until the sentinel judges this very weight; an unguarded candidate gets no traffic anyway."""
    deadline = time.monotonic() + _GUARDED_WITHIN_SECONDS
    while time.monotonic() < deadline and not over(model, attempt):
        report = wiring.sentinel.report(attempt)
        if report and report.armed and same_weight(report.weight, weight):
            return True
        time.sleep(1.0)
    return False


def _unguarded(wiring: Wiring, model: str, attempt: str) -> str:
    stone = wiring.router.tombstone(model, attempt)
    return (
        f"rolled back by {stone.by}: {stone.reason}" if stone else "the sentinel does not guard this weight"
    )


def _inputs(wiring: Wiring, model: str, attempt: str, contract: Contract) -> str:
    proven = passing(wiring, model, attempt, Phase.CANARY)
    return digest_of(
        {"canary": proven.digest if proven else None, "final_weight": contract.rollout.final_weight}
    )
