"""The canary: the weight rises step by step, each step after the sentinel's pass at the one before."""

import json
import time
from contextlib import suppress
from typing import Any

from tasks import step
from tasks.gate import passing
from tasks.weight import over, raise_to, renew
from turnout import __version__
from turnout.domain.approval import Decision, Gate
from turnout.domain.canary import CHOICE, SentinelReport, StepCourse, StepResult, course, lacking, summed
from turnout.domain.contract import Contract
from turnout.domain.errors import RefusedError
from turnout.domain.evidence import Evidence, Phase, Verdict, digest_of, fresh_pass
from turnout.domain.rollout import Stage
from turnout.wiring.migrating import Wiring, current

_POLL_SECONDS = 1.0
_SAY_EVERY_SECONDS = 10.0


@step(name="raise weight", task_run_name="{attempt} to {weight:.0%}")
def raise_weight(model: str, attempt: str, weight: float) -> float:
    """Bring the candidate to a weight of the canary; returns the weight that the router reports.

    Raises:
        RefusedError: The weight is none of the canary's, nobody approved it, or the attempt is not live.
    """
    lease_seconds = current().contract(model).rollout.step_lease_seconds
    return raise_to(model, attempt, weight, gate=Gate.CANARY, lease_seconds=lease_seconds).weight


@step(name="await step", task_run_name="{attempt} at {weight:.0%}")
def await_step(model: str, attempt: str, weight: float) -> StepCourse:
    """Wait for the sentinel's word on a weight, and let the weight stand meanwhile.

    Returns:
        Passed; late: not enough evidence within the contract's time; over: rolled back by whoever.
    """
    wiring = current()
    contract = wiring.contract(model)
    watch = _Watch(wiring, model, attempt, contract)
    while not over(model, attempt):
        report = wiring.sentinel.report(attempt)
        held = wiring.attempts.held(attempt) is not None
        now = watch.look(report, weight, held=held)
        if now is StepCourse.PASSED and report and not held:
            wiring.attempts.keep_step(attempt, _result(wiring, attempt, weight, report))
        if now is not StepCourse.WAITING and not held:
            return now
        time.sleep(_POLL_SECONDS)
    return StepCourse.OVER


@step(name="conclude canary", task_run_name="{attempt}")
def conclude(model: str, attempt: str, stage: Stage) -> Evidence:
    """Write down how the canary went: pass when every step passed, hold without enough evidence."""
    wiring = current()
    contract, steps = wiring.contract(model), wiring.attempts.steps(attempt)
    digest = _inputs(wiring, model, attempt, contract)
    known = fresh_pass(wiring.evidence.history(model, Phase.CANARY, attempt), digest)
    verdict = _verdict(stage)
    if verdict is Verdict.PASS and known:
        return known
    evidence = Evidence(
        subject=model,
        phase=Phase.CANARY,
        attempt=attempt,
        inputs_digest=digest,
        measurements=_measurements(wiring, attempt, steps),
        bounds=contract.bounds.model_dump() | {"steps": list(contract.rollout.steps)},
        verdict=verdict,
        reasons=_reasons(wiring, model, attempt, verdict),
        code_version=__version__,
        at_seconds=time.time(),
    )
    wiring.evidence.write(evidence)
    return evidence


def _verdict(stage: Stage) -> Verdict:
    if stage in (Stage.PROVEN, Stage.FULL):
        return Verdict.PASS
    return Verdict.FAIL if stage is Stage.ENDED else Verdict.HOLD


class _Watch:
    """What has to be kept in mind between two looks at a step."""

    def __init__(self, wiring: Wiring, model: str, attempt: str, contract: Contract) -> None:
        self._model, self._attempt, self._rollout = model, attempt, contract.rollout
        self._began = self._said = self._renewed = time.monotonic()
        self._said -= _SAY_EVERY_SECONDS
        answers = wiring.approvals.answers(attempt, Gate.EXTEND)
        given = [a.at_seconds for a in answers if a.decision is Decision.APPROVE]
        self._extended = max(given, default=None)

    def look(self, report: SentinelReport | None, weight: float, *, held: bool) -> StepCourse:
        """Say how the step stands; renew its lease and say so from time to time."""
        if not held:  # a hold has its own, longer lease
            self._renew()
        self._say(report, weight)
        return course(
            report,
            weight,
            waited_seconds=self._waited(report),
            longest_seconds=self._rollout.step_longest_seconds,
        )

    def _waited(self, report: SentinelReport | None) -> float:
        known = report.since_weight_seconds if report else None
        waited = time.monotonic() - self._began if known is None else known
        return waited if self._extended is None else min(waited, time.time() - self._extended)

    def _renew(self) -> None:
        if time.monotonic() - self._renewed < self._rollout.step_lease_seconds / 3:
            return
        with suppress(RefusedError):  # it is over, as the next look tells, or another writer came between
            renew(self._model, self._attempt, self._rollout.step_lease_seconds)
            self._renewed = time.monotonic()

    def _say(self, report: SentinelReport | None, weight: float) -> None:
        if time.monotonic() - self._said < _SAY_EVERY_SECONDS:
            return
        self._said = time.monotonic()
        words = f"{report.verdict}, {report.step_looks} looks" if report else "the sentinel does not answer"
        hold = f", holds: {report.hold}" if report and report.hold else ""
        print(f"{self._attempt} at {weight:.0%}: {words}{hold}")  # noqa: T201 -- Prefect logs what tasks print


def _result(wiring: Wiring, attempt: str, weight: float, report: SentinelReport) -> StepResult:
    seconds, counts = report.since_weight_seconds or 0.0, _counts(wiring, attempt, weight)
    return StepResult(weight=weight, seconds=seconds, signals=report.evidence, **counts)


def _counts(wiring: Wiring, attempt: str, weight: float) -> dict[str, dict[str, int]]:
    return summed(_looks(wiring, attempt), weight)


def _looks(wiring: Wiring, attempt: str) -> list[dict[str, Any]]:
    """The sentinel's journal; a line that is being written, or that a full disk has cut, is left out."""
    file, found = wiring.state.looks(attempt), []
    for line in file.read_text(errors="replace").splitlines() if file.is_file() else ():
        with suppress(ValueError):
            found.append(json.loads(line))
    return found


def _inputs(wiring: Wiring, model: str, attempt: str, contract: Contract) -> str:
    shadow = passing(wiring, model, attempt, Phase.SHADOW)
    return digest_of(
        {
            "shadow": shadow.digest if shadow else None,
            "bounds": contract.bounds.model_dump(mode="json"),
            "steps": contract.rollout.steps,
        }
    )


def _measurements(wiring: Wiring, attempt: str, steps: tuple[StepResult, ...]) -> dict[str, Any]:
    report = wiring.sentinel.report(attempt)
    last = report.model_dump(mode="json") if report else None
    return {"steps": [s.model_dump(mode="json") for s in steps], "sentinel": last}


def _reasons(wiring: Wiring, model: str, attempt: str, verdict: Verdict) -> tuple[str, ...]:
    if verdict is Verdict.PASS:
        return ("every step passed: the candidate is shown not to be worse than the bounds allow",)
    if verdict is Verdict.HOLD:
        return (lacking(_counts(wiring, attempt, wiring.router.read(model).weight)), CHOICE)
    stone = wiring.router.tombstone(model, attempt)
    return (f"rolled back by {stone.by}: {stone.reason}" if stone else "the attempt was ended",)
