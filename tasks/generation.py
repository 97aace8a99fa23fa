"""How both arms of a generating model serve, where the owner has said that their servers may be loaded.

One after the other, each is sent the golden requests as streams, open loop, at the owner's ceiling; the first
token, the pace, the tokens, the goodput and what they cost are those of `turnout.domain.generation`.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runtimes import wire
from tasks.package import golden
from tasks.plan_lines import unblocked
from turnout.domain import generation, sampling
from turnout.domain.contract import Contract
from turnout.domain.generation import GenerationBounds, StreamRecord
from turnout.domain.placement import Offer
from turnout.domain.route import Backend
from turnout.fabric import aiperf
from turnout.wiring.migrating import Wiring

_Bodies = Sequence[dict[str, Any]]


def side_by_side(
    wiring: Wiring, contract: Contract, arms: dict[str, Backend], *, tokenizer: Path
) -> dict[str, Any]:
    """Measure each arm.

    Args:
        wiring: The adapters.
        contract: The contract, which allows it.
        arms: The servers by arm.
        tokenizer: Folder with the model's tokenizer.

    Returns:
        For each arm what `turnout.domain.generation` measures and what its tokens cost, with the rate that
        was sent and the bounds of a good request; empty without golden requests.

    Raises:
        TemporaryError: The load could not be sent.
    """
    path, bodies = _asked(wiring, contract)
    if not bodies:
        return {}
    pool = _pool(wiring, contract.model)
    measured = {}
    for arm, backend in arms.items():
        records = _sent(contract, f"http://{backend.host}:{backend.port}{path}", bodies, tokenizer)
        measured[arm] = _measured(contract, records, pool)
        print(f"{arm}: {_said(measured[arm])}")  # noqa: T201 -- Prefect logs it
    return measured


def _asked(wiring: Wiring, contract: Contract) -> tuple[str, _Bodies]:
    """The golden requests that are called by the path of the first one, as streams."""
    asked = [sampling.streamed(one["request"]) for one in golden(wiring, contract.model)]
    paths = [wire.predict_path(contract, json.dumps(one).encode()) for one in asked]
    first = paths[0] if paths else ""
    return first, [one for one, path in zip(asked, paths, strict=True) if path == first]


def _sent(contract: Contract, url: str, bodies: _Bodies, tokenizer: Path) -> list[StreamRecord]:
    load = contract.baseline
    return aiperf.send(
        url, bodies, rate=load.ceiling_per_second or 0.0, seconds=load.step_seconds,
        within_seconds=contract.policy.request_seconds, tokenizer=tokenizer,
    )  # fmt: skip


def _measured(contract: Contract, records: list[StreamRecord], pool: Offer | None) -> dict[str, Any]:
    said = contract.bounds
    bounds = GenerationBounds(
        said.first_token_seconds or said.slow_seconds, contract.baseline.between_tokens_seconds
    )
    price = pool.price_per_hour_usd if pool else None
    assumes = (
        "unknown: no price" if price is None or pool is None else f"{price:.4g} USD an hour, {pool.pool}"
    )
    return {
        **generation.measured(records, bounds),
        "rate_per_second": contract.baseline.ceiling_per_second,
        "bounds": {
            "first_token_seconds": bounds.first_token_seconds,
            "between_tokens_seconds": bounds.between_seconds,
        },
        "cost": {**generation.cost(records, price), "assumes": assumes},
    }


def _pool(wiring: Wiring, model: str) -> Offer | None:
    """The planned pool, at whose price both arms are reckoned: what differs is what they make of it."""
    placement = unblocked(wiring.state, model).placement
    return placement.best if placement else None


def _said(measured: dict[str, Any]) -> str:
    first = measured["time_to_first_token_seconds"].get("p50", {}).get("estimate")
    out = measured["tokens_per_second"]["out"]
    told = f"first token {first:.2f} s at the median" if first is not None else "no first token"
    return f"{told}, {out or 0:.1f} tokens a second, {measured['failed']} of {measured['requests']} failed"
