"""Baseline: measure the legacy model from what production shows, and keep its golden set.

No production server is loaded: requests come from the router's log, answers from captures of clients'
traffic. Whether that is sufficient and sound is asked of the owner's suites (`tasks.sufficiency`).
"""

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tasks import step
from tasks.plan import inventory_of
from tasks.plan_lines import unblocked
from tasks.sufficiency import Pace, Sufficiency
from turnout import __version__
from turnout.domain import evidence_tables
from turnout.domain.baseline import Baseline, Material, measure, own
from turnout.domain.contract import Contract
from turnout.domain.errors import RefusedError, TemporaryError
from turnout.domain.evidence import Evidence, Phase, Verdict, digest_of, fresh_pass
from turnout.domain.expectations import Evidenced, SuiteResult, Table, measured, reasons
from turnout.domain.golden import choose, usable
from turnout.domain.plan import PlanLine
from turnout.domain.requests import RequestRecord
from turnout.domain.route import Route, RouteChange
from turnout.domain.workload import Workload
from turnout.fabric import whole
from turnout.fabric.state import State
from turnout.fabric.telemetry import AccessLog
from turnout.wiring.migrating import Wiring, current

_POLL_SECONDS = 2.0
TABLES = (
    Evidenced.CAPTURED_TRAFFIC,
    Evidenced.GOLDEN_SET,
    Evidenced.GOLDEN_CLASSES,
    Evidenced.GOLDEN_INPUTS,
    Evidenced.BASELINE,
)
_TAIL_BYTES = 32 * 1024 * 1024
"""How far back the router's log is read: some 50,000 requests."""


@step(name="measure baseline", task_run_name="{model}")
def measure_baseline(model: str) -> Evidence:
    """Measure a legacy model and keep its golden set in STATE/work/golden/MODEL.jsonl.

    Waits, with capture turned on, until there is enough to measure, at most as long as the contract lets a
    shadow test take.

    Returns:
        A pass with the measurements; a hold where a suite is not met, with the expectation and the rows.

    Raises:
        InvalidInputError: A suite cannot be used; its file and line are named.
        RefusedError: Something stands in the way of this model's migration.
        NotFoundError: The model is not in the plan, has no contract, or is not known to the router.
    """
    wiring = current()
    line, contract = unblocked(wiring.state, model), wiring.contract(model)
    workload = inventory_of(wiring.state).workload(model)
    asked = Sufficiency(wiring, contract, TABLES)
    digest = _inputs(wiring, contract, workload, line, asked)
    known = fresh_pass(wiring.evidence.history(model, Phase.BASELINE), digest)
    if known and _golden_digest(wiring.state, model) == known.measurements.get("golden_digest"):
        return known
    wiring.validator.warm()
    with _capturing(wiring, contract):
        material = _gather(wiring, contract, asked)
    found, results = measure(material, contract, workload, line), _held(asked, contract, material, run=True)
    evidence = _judged(wiring, contract, found, results, digest)
    wiring.evidence.write(evidence)
    return evidence


def golden_file(state: State, model: str) -> Path:
    """The golden set of a model, one captured exchange a line."""
    return state.work / "golden" / f"{model}.jsonl"


def _inputs(
    wiring: Wiring, contract: Contract, workload: Workload | None, line: PlanLine, asked: Sufficiency
) -> str:
    """What the baseline depends on; a model served from another place is another model."""
    return digest_of(
        {
            "contract": contract.model_dump(mode="json"),
            "workload": workload.model_dump(mode="json") if workload else None,
            "price": line.placement.best.price_per_hour_usd
            if line.placement and line.placement.best
            else None,
            "legacy": wiring.router.read(contract.model).stable.model_dump(mode="json"),
            "suites": asked.digest,
        }
    )


@contextmanager
def _capturing(wiring: Wiring, contract: Contract) -> Iterator[None]:
    """Capture the contract's share while measuring; a live attempt's capture is left alone."""
    before = wiring.router.read(contract.model)
    wanted = contract.rollout.capture_share
    if before.attempt is not None or before.capture_share >= wanted:
        yield
        return
    during = _capture(wiring, before, wanted)
    try:
        yield
    finally:
        with suppress(
            RefusedError, TemporaryError
        ):  # an attempt was opened meanwhile: its capture is its own
            _capture(wiring, during, before.capture_share)


def _capture(wiring: Wiring, route: Route, share: float) -> Route:
    change = RouteChange(model=route.model, attempt=None, read_version=route.version, capture_share=share)
    return wiring.router.change(change)


def _gather(wiring: Wiring, contract: Contract, asked: Sufficiency) -> Material:
    """Wait until every suite is met, within the time that the contract gives."""
    log, pace = _Log(wiring.telemetry, contract.model), Pace()
    until = time.monotonic() + contract.rollout.shadow_longest_seconds
    while True:
        requests = own(log.new(), now_seconds=time.time())
        material = _material(wiring.state.captures(contract.model), contract, requests)
        left = until - time.monotonic()
        due = pace.due(len(material.requests) + len(material.captured))
        if left <= 0 or (due and not reasons(_held(asked, contract, material))):
            return material
        time.sleep(min(_POLL_SECONDS, left))


def _held(
    asked: Sufficiency, contract: Contract, material: Material, *, run: bool = False
) -> list[SuiteResult]:
    """Hold the material against the suites; with `run`, the Data Docs get a page of it."""
    captured, distinct = len(material.captured), material.distinct
    name = str(Phase.BASELINE) if run else None
    return asked.held(_tables(material, contract), run=name, captured=captured, distinct=distinct)


def _tables(material: Material, contract: Contract) -> list[Table]:
    now, golden = time.time(), choose(material.captured)
    return [
        evidence_tables.captured_traffic(material.captured, material.unusable, now_seconds=now),
        evidence_tables.golden_set([one.capture for one in golden], [one.classes for one in golden]),
        evidence_tables.golden_classes(material.captured, golden),
        evidence_tables.golden_inputs(material.captured, golden),
        evidence_tables.baseline(material.requests, streaming=contract.policy.streaming, now_seconds=now),
    ]


class _Log:
    """The newest part of a model's log, read on as it grows."""

    def __init__(self, telemetry: AccessLog, model: str) -> None:
        self._telemetry, self._model = telemetry, model
        self._cursor = telemetry.end(model, back_bytes=_TAIL_BYTES)
        self._records: dict[str, RequestRecord] = {}

    def new(self) -> list[RequestRecord]:
        """Every record so far; an end takes the place of its start."""
        while True:
            records, self._cursor = self._telemetry.read(self._model, self._cursor)
            self._records.update({record.request_id: record for record in records})
            if not records:
                return list(self._records.values())


def _material(file: Path, contract: Contract, requests: list[RequestRecord]) -> Material:
    looked_at = [(capture, usable(capture, contract)) for capture in _captures(file)]
    found = [one for _, one in looked_at if one]
    return Material(requests, found, [capture for capture, one in looked_at if one is None])


def _captures(file: Path) -> Iterator[dict[str, Any]]:
    """The lines of a captures file; one that is being written or was cut short is passed over."""
    if not file.is_file():
        return
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError, RecursionError):
            capture = json.loads(line)
            if isinstance(capture, dict):
                yield capture


def _judged(
    wiring: Wiring, contract: Contract, found: Baseline, results: list[SuiteResult], digest: str
) -> Evidence:
    unmet = reasons(results)
    verdict = Verdict.HOLD if unmet else Verdict.PASS
    measurements = found.measurements | measured(results)
    if verdict is Verdict.PASS:
        _keep(golden_file(wiring.state, contract.model), found)
        measurements["golden_digest"] = _golden_digest(wiring.state, contract.model)
    return Evidence(
        subject=contract.model,
        phase=Phase.BASELINE,
        attempt=None,
        inputs_digest=digest,
        measurements=measurements,
        bounds={"captures": contract.rollout.shadow_samples},
        verdict=verdict,
        reasons=unmet,
        code_version=__version__,
        at_seconds=time.time(),
    )


def _keep(file: Path, found: Baseline) -> None:
    whole.write(file, "".join(json.dumps(one.capture) + "\n" for one in found.golden))


def _golden_digest(state: State, model: str) -> str | None:
    file = golden_file(state, model)
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None
