"""The way back, and what is left to clear away after it."""

import time
from contextlib import suppress

from tasks import step
from turnout import __version__
from turnout.domain.errors import UnreachableError
from turnout.domain.evidence import Evidence, Phase, Verdict, digest_of
from turnout.domain.route import RoutePolicy
from turnout.wiring.migrating import Wiring, current

_POLL_SECONDS = 2.0


@step(name="roll back", task_run_name="{attempt}")
def take_back(model: str, attempt: str, reason: str, by: str) -> Evidence:
    """Send everything to legacy, end the attempt for good, and write it down.

    Safe on an attempt that somebody else rolled back: the first word stands.
    """
    wiring = current()
    stone = wiring.router.roll_back(model, attempt, reason=reason, by=by)
    known = wiring.evidence.history(model, Phase.ROLLBACK, attempt)
    if known:
        return known[-1]
    route = wiring.router.read(model)
    on_legacy = route.attempt != attempt
    evidence = Evidence(
        subject=model,
        phase=Phase.ROLLBACK,
        attempt=attempt,
        inputs_digest=digest_of({"attempt": attempt, "at_seconds": stone.at_seconds}),
        measurements={"by": stone.by, "rolled_back_at_seconds": stone.at_seconds, "weight": route.weight},
        bounds={"weight": 0.0},
        verdict=Verdict.PASS if on_legacy else Verdict.FAIL,
        reasons=(stone.reason,),
        code_version=__version__,
        at_seconds=time.time(),
    )
    wiring.evidence.write(evidence)
    return evidence


@step(name="undeploy", task_run_name="{attempt}")
def undeploy(model: str, attempt: str) -> None:
    """Take down what the attempt had deployed, once requests that were under way have had their time.

    Legacy has all of its traffic again; its autoscaler may decide on its size as before.
    """
    wiring = current()
    _see_out(wiring, model, attempt, wiring.contract(model).policy)
    for runtime in wiring.runtimes():
        runtime.undeploy(attempt)
    wiring.legacy_size.release(model)


def _see_out(wiring: Wiring, model: str, attempt: str, policy: RoutePolicy) -> None:
    """Give tries that are under way their time, and streams that have begun theirs: they cannot move."""
    time.sleep(policy.try_seconds + 1.0)
    deadline = time.monotonic() + (policy.stream_longest_seconds if policy.streaming else 0.0)
    with suppress(UnreachableError):  # without a router there are no clients
        while time.monotonic() < deadline and wiring.router.under_way(model, attempt):
            time.sleep(_POLL_SECONDS)
