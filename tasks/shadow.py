"""Shadow: wait for compared replays until they show that the candidate answers as legacy does, or that not.

The shadow service captures, replays and compares (`turnout.services.shadow`); what its comparisons mean is
decided in `turnout.domain.shadowing`. What was compared before this run counts: a killed test goes on.
"""

import json
import time
from contextlib import suppress
from typing import Any

from tasks import step
from tasks.gate import passing
from tasks.package import packaged
from tasks.usage import Usage
from turnout import __version__
from turnout.domain import shadowing
from turnout.domain.contract import Contract
from turnout.domain.errors import RefusedError, TemporaryError
from turnout.domain.evidence import Evidence, Phase, Verdict, digest_of, fresh_pass
from turnout.domain.requests import ComparisonRecord
from turnout.domain.route import Route, RouteChange
from turnout.domain.shadowing import Finding
from turnout.fabric import comparison_files
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
        is up and too little is known.

    Raises:
        RefusedError: The attempt is not the live one, or requests of this model may not be replayed.
        UnreachableError: The evidence store does not answer.
    """
    wiring = current()
    contract = wiring.contract(model)
    digest = _inputs(wiring, model, attempt, contract)
    known = fresh_pass(wiring.evidence.history(model, Phase.SHADOW, attempt), digest)
    if known:
        return known
    _replayable(contract)
    route = _capturing(wiring, contract, attempt)
    usage = Usage(wiring.servers, attempt, legacy=route.stable.name)
    finding = _found(wiring, contract, attempt)
    measurements = finding.measurements | {
        "resources": usage.measured(),
        "exchanges": _exchanges(wiring.state, model),
    }
    evidence = _evidence(contract, attempt, digest, finding, measurements)
    wiring.evidence.write(evidence)
    return evidence


def _inputs(wiring: Wiring, model: str, attempt: str, contract: Contract) -> str:
    """Digest of all that the finding depends on."""
    package = passing(wiring, model, attempt, Phase.PACKAGE)
    return digest_of(
        {
            "package": packaged(package).digest if package else None,
            "contract": contract.model_dump(mode="json"),
            "attempt": attempt,
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


def _found(wiring: Wiring, contract: Contract, attempt: str) -> Finding:
    """Judge each second until there is a verdict, or the contract's time is up."""
    until = time.monotonic() + contract.rollout.shadow_longest_seconds
    comparisons: list[ComparisonRecord] = []
    place = START
    while True:
        _live(wiring, contract.model, attempt)
        file = wiring.state.comparisons(attempt)
        new, place = comparison_files.read(file, place, examples=True)
        comparisons += new
        finding = shadowing.judge(contract, comparisons)
        if finding.verdict is not None or time.monotonic() >= until:
            return finding
        time.sleep(_POLL_SECONDS)


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
