"""What both arms carry at the latency bound, where the owner has said that their servers may be loaded.

Side by side: each rate is sent to legacy and then to the candidate, so that a machine that is busy with other
things is so for both. An arm that did not carry a rate is asked no higher one.
"""

import json
from typing import Any

from runtimes import wire
from tasks.package import golden
from turnout.domain import load
from turnout.domain.contract import Contract
from turnout.domain.load import Step
from turnout.domain.route import Backend
from turnout.fabric import open_loop
from turnout.wiring.migrating import Wiring


def side_by_side(wiring: Wiring, contract: Contract, arms: dict[str, Backend]) -> dict[str, Any]:
    """Load each arm with the golden requests, up to the owner's ceiling.

    Args:
        wiring: The adapters.
        contract: The contract, which allows it.
        arms: The servers by arm.

    Returns:
        For each arm what `turnout.domain.load.throughput` says, beside the bounds that it was held to.
    """
    bodies = [json.dumps(one["request"]).encode() for one in golden(wiring, contract.model)]
    ceiling = contract.baseline.ceiling_per_second
    if not bodies or ceiling is None:
        return {}
    steps: dict[str, list[Step]] = {arm: [] for arm in arms}
    for rate in load.rates(ceiling):
        for arm, backend in arms.items():
            if all(step.sustained for step in steps[arm]):
                steps[arm].append(_step(contract, backend, bodies, rate))
                print(f"{arm} at {rate:g} a second: {_said(steps[arm][-1])}")  # noqa: T201 -- Prefect logs it
    bounds = {"bound_seconds": contract.bounds.slow_seconds, "errors": contract.bounds.errors}
    return {arm: load.throughput(found) | bounds for arm, found in steps.items()}


def _step(contract: Contract, backend: Backend, bodies: list[bytes], rate: float) -> Step:
    url = f"http://{backend.host}:{backend.port}{wire.predict_path(contract, bodies[0])}"
    sent = open_loop.send(
        url, bodies, rate=rate, seconds=contract.baseline.step_seconds,
        within_seconds=contract.policy.request_seconds,
    )  # fmt: skip
    bounds = contract.bounds
    return load.judged(rate, sent, bound_seconds=bounds.slow_seconds, errors=bounds.errors)


def _said(step: Step) -> str:
    p95 = "-" if step.p95_seconds is None else f"{step.p95_seconds * 1000:.1f} ms"
    return f"{'carried' if step.sustained else 'not carried'}, p95 {p95}, {step.failed} failed"
