"""Shadow: wait for compared replays until they show that the candidate answers as legacy does, or that not.

The shadow service captures, replays and compares (`turnout.services.shadow`); what its comparisons mean is
decided in `turnout.domain.shadowing`. What was compared before this run counts: a killed test goes on.
"""

import dataclasses
import json
import time
from contextlib import suppress
from typing import Any

from runtimes import vllm
from tasks import generation, load, step, task_metric
from tasks.gate import passing
from tasks.package import packaged
from tasks.sufficiency import Pace, Sufficiency
from tasks.usage import Usage
from turnout import __version__
from turnout.domain import evidence_tables, shadowing
from turnout.domain.contract import AnswerKind, Contract
from turnout.domain.errors import RefusedError, TemporaryError
from turnout.domain.evidence import Evidence, Phase, Verdict, digest_of, fresh_pass
from turnout.domain.expectations import Evidenced, SuiteResult, measured, reasons
from turnout.domain.requests import ComparisonRecord
from turnout.domain.route import Route, RouteChange
from turnout.domain.shadowing import Finding
from turnout.fabric import comparison_files, task_prompts
from turnout.fabric.comparison_files import START
from turnout.fabric.state import State
from turnout.wiring.migrating import Wiring, current

_POLL_SECONDS = 1.0
_TRIES = 5
"""Raising the capture share: another writer may come in between, but not for ever."""


@step(name="shadow test", task_run_name="{attempt}")
def shadow_test(model: str, attempt: str) -> Evidence:
    """Judge an attempt by replays of its clients' requests; clients notice nothing of it.

    Returns:
        A pass; a fail, as soon as it is certain, with the differing examples; a hold when the contract's time
        is up and too little is known, or what was compared is not what its suite expects.

    Raises:
        InvalidInputError: The suite cannot be used; its file and line are named.
        RefusedError: The attempt is not the live one, or requests of this model may not be replayed.
        UnreachableError: The evidence store does not answer.
    """
    wiring = current()
    contract = wiring.contract(model)
    asked = Sufficiency(wiring, contract, (Evidenced.SHADOW_SAMPLES,))
    digest = _inputs(wiring, model, attempt, contract, asked)
    known = fresh_pass(wiring.evidence.history(model, Phase.SHADOW, attempt), digest)
    if known:
        return known
    _replayable(contract)
    wiring.validator.warm()
    route = _capturing(wiring, contract, attempt)
    usage = Usage(wiring.servers, attempt, legacy=route.stable.name)
    finding, comparisons = _found(wiring, contract, attempt, asked)
    results = _held(asked, comparisons, run=f"{attempt}-{Phase.SHADOW}")
    finding = _at_its_task(wiring, contract, attempt, finding)
    measurements = (
        finding.measurements
        | measured(results)
        | {
            "resources": usage.measured(),
            **_loaded(wiring, contract, attempt, finding),
            "exchanges": _exchanges(wiring.state, model),
        }
    )
    finding = _sufficient(finding, results)
    evidence = _evidence(contract, attempt, digest, finding, measurements)
    wiring.evidence.write(evidence)
    return evidence


def _inputs(wiring: Wiring, model: str, attempt: str, contract: Contract, asked: Sufficiency) -> str:
    """Digest of all that the finding depends on."""
    package = passing(wiring, model, attempt, Phase.PACKAGE)
    return digest_of(
        {
            "package": packaged(package).digest if package else None,
            "contract": contract.model_dump(mode="json"),
            "attempt": attempt,
            "suites": asked.digest,
            "task": task_prompts.digest(wiring.settings.contracts, model) if contract.task else None,
        }
    )


def _replayable(contract: Contract) -> None:
    if not contract.policy.replayable:
        raise RefusedError(
            f"shadow test of {contract.model}", observed="its requests may not be sent twice",
            limit="a model whose requests have no side effects",
            remedy="Let the owner decide how this model is proved; it has no shadow test.",
        )  # fmt: skip


def _live(wiring: Wiring, model: str, attempt: str) -> Route:
    """The route while the attempt is live."""
    route = wiring.router.read(model)
    if route.attempt == attempt:
        return route
    stone = wiring.router.tombstone(model, attempt)
    raise RefusedError(
        f"shadow test of {attempt}",
        observed=f"ended by {stone.by}: {stone.reason}" if stone else "it is not the live attempt",
        limit="a live attempt",
        remedy="Start a new migration of the model." if stone else "Run the deploy phase.",
    )


def _capturing(wiring: Wiring, contract: Contract, attempt: str) -> Route:
    """See that the contract's share of exchanges is captured, from now on and through the canary."""
    wanted = contract.rollout.capture_share
    for _ in range(_TRIES):
        route = _live(wiring, contract.model, attempt)
        if route.capture_share >= wanted:
            return route
        change = RouteChange(
            model=route.model, attempt=attempt, read_version=route.version, capture_share=wanted
        )
        with suppress(RefusedError):  # somebody else changed the route: read it again
            return wiring.router.change(change)
    raise TemporaryError(
        f"capture of {contract.model}", observed=f"refused {_TRIES} times", limit="one change of the route",
        remedy="See who else changes this route (STATE/routes/MODEL/history.jsonl).",
    )  # fmt: skip


def _found(
    wiring: Wiring, contract: Contract, attempt: str, asked: Sufficiency
) -> tuple[Finding, list[ComparisonRecord]]:
    """Judge each second until there is a verdict on sufficient evidence, or the contract's time is up."""
    pace = Pace()
    until = time.monotonic() + contract.rollout.shadow_longest_seconds
    comparisons: list[ComparisonRecord] = []
    place = START
    while True:
        _live(wiring, contract.model, attempt)
        file = wiring.state.comparisons(attempt)
        new, place = comparison_files.read(file, place, examples=True)
        comparisons += new
        finding = shadowing.judge(contract, comparisons)
        if finding.verdict is Verdict.FAIL or time.monotonic() >= until:
            return finding, comparisons
        passing_now = finding.verdict is Verdict.PASS and pace.due(len(comparisons))
        if passing_now and not reasons(_held(asked, comparisons)):
            return finding, comparisons
        time.sleep(_POLL_SECONDS)


def _held(
    asked: Sufficiency, comparisons: list[ComparisonRecord], *, run: str | None = None
) -> list[SuiteResult]:
    return asked.held([evidence_tables.shadow_samples(comparisons, now_seconds=time.time())], run=run)


def _at_its_task(wiring: Wiring, contract: Contract, attempt: str, finding: Finding) -> Finding:
    """The finding with the owner's task in it: asked of a candidate that does not differ, and of legacy."""
    if contract.task is None or finding.verdict is not Verdict.PASS:
        return finding
    route = _live(wiring, contract.model, attempt)
    if route.candidate is None:
        return finding
    told = task_metric.asked(wiring, contract, legacy=route.stable, candidate=route.candidate)
    if told is None:
        return finding
    measurements = finding.measurements | {"task": told.measurements}
    if told.verdict is Verdict.PASS:
        return Finding(Verdict.PASS, (*finding.reasons, told.reason), measurements)
    return Finding(Verdict.FAIL if told.verdict is Verdict.FAIL else None, (told.reason,), measurements)


def _loaded(wiring: Wiring, contract: Contract, attempt: str, finding: Finding) -> dict[str, Any]:
    """What both arms carry, where their owner lets them be loaded, and the candidate does not differ."""
    if not contract.baseline.load or finding.verdict is not Verdict.PASS:
        return {}
    route = _live(wiring, contract.model, attempt)
    if route.candidate is None:
        return {}
    arms = {"legacy": route.stable, "candidate": route.candidate}
    if contract.same_answer.kind is not AnswerKind.TEXT:
        return {"load": load.side_by_side(wiring, contract, arms)}
    tokenizer = wiring.state.work / "deployments" / attempt / vllm.FOLDER
    return {"generation": generation.side_by_side(wiring, contract, arms, tokenizer=tokenizer)}


def _sufficient(finding: Finding, results: list[SuiteResult]) -> Finding:
    """A pass on evidence that its suite does not call sufficient is none; a difference seen is one anyway."""
    unmet = reasons(results)
    if finding.verdict is Verdict.FAIL or not unmet:
        return finding
    return dataclasses.replace(finding, verdict=None, reasons=(*unmet, *_unless_passed(finding)))


def _unless_passed(finding: Finding) -> tuple[str, ...]:
    return () if finding.verdict is Verdict.PASS else finding.reasons


def _exchanges(state: State, model: str) -> dict[str, int]:
    """What the shadow service did with the model's exchanges since it started, by reason."""
    file = state.captures(model).with_name(f"{model}.counts.json")
    with suppress(OSError, ValueError):
        counts: dict[str, int] = json.loads(file.read_text())
        return counts
    return {}


def _evidence(
    contract: Contract, attempt: str, digest: str, finding: Finding, measurements: dict[str, Any]
) -> Evidence:
    return Evidence(
        subject=contract.model,
        phase=Phase.SHADOW,
        attempt=attempt,
        inputs_digest=digest,
        measurements=measurements,
        bounds={
            **contract.bounds.model_dump(),
            "samples": contract.rollout.shadow_samples,
            "longest_seconds": contract.rollout.shadow_longest_seconds,
        },
        verdict=finding.verdict or Verdict.HOLD,
        reasons=finding.reasons,
        code_version=__version__,
        at_seconds=time.time(),
    )
