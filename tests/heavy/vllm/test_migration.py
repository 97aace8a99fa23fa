"""The language model moves under its clients' traffic: from KServe's server to vLLM, streams included."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from turnout.domain.attempt import Outcome
from turnout.domain.evidence import Phase
from turnout.fabric import marks
from turnout.fabric.state import State
from turnout.lab import down, estate, up
from turnout.settings import VARIABLE, Settings
from turnout.wiring import migrating
from turnout.wiring.migrating import Wiring

MODEL, ATTEMPT = "smollm", "smollm-1"
LONGEST_SECONDS = 1200.0
RATE = 25.0
"""A little more than the demonstration's; this model gets its small share of it."""

pytestmark = [
    pytest.mark.timeout(2400),
    # The lab's supervisor is not this process's to wait for: it outlives whoever started it.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A lab with this one model, its client calling; nothing of it may live on."""
    whole = estate.lay_out

    def alone(state: State, _portfolio: estate.Portfolio) -> None:
        whole(state, estate.Portfolio.FULL)
        for file in (state.estate / "manifests").glob("*.yaml"):
            if file.stem != MODEL:
                file.unlink()

    monkeypatch.setattr(up.estate, "lay_out", alone)
    try:
        settings = up.up(tmp_path, rate=RATE, portfolio=estate.Portfolio.FULL, say=print)
        monkeypatch.setenv("PREFECT_API_URL", settings.prefect_api)
        monkeypatch.setenv(VARIABLE, str(State(settings.state).settings_file))
        yield settings
    finally:
        down.down(tmp_path)
    assert marks.marked(marks.lab_id(tmp_path)) == []


@pytest.fixture
def moving(lab: Settings) -> Iterator[Wiring]:
    """Adapters of the lab, its owners enrolled."""
    built = Wiring(lab)
    for owner in built.owners.all():
        built.owners.enrol(owner)
    migrating.use(built)
    yield built
    migrating.use(None)


def _until(what: str, found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.5)
    raise AssertionError(what)


def _records(state: State) -> list[dict[str, Any]]:
    return [json.loads(line) for line in state.client(MODEL).read_text().splitlines()[:-1]]


def test_the_language_model_moves_and_no_client_notices(lab: Settings, moving: Wiring):
    """One attempt from legacy to cutover; then vLLM is killed, and legacy answers by the very same path."""
    from turnout.lab.desk import Desk  # noqa: PLC0415 -- Prefect reads its settings when it is imported

    with Desk(moving.owners, moving.attempts, ui=lab.prefect_ui, say=print) as desk:
        desk.start(MODEL)

        def answered(gate: str) -> bool:
            ask = desk.waiting(ATTEMPT)
            return ask is not None and ask.gate == gate and desk.answer(ask)

        _until(
            "the canary's gate was not asked", lambda: answered("canary") or moving.attempts.ended(ATTEMPT)
        )
        _until(
            "the cutover's gate was not asked", lambda: answered("cutover") or moving.attempts.ended(ATTEMPT)
        )
        end = _until("the attempt did not end", lambda: moving.attempts.ended(ATTEMPT))
    assert end.outcome is Outcome.CUT_OVER, end
    (shadow,) = moving.evidence.history(MODEL, Phase.SHADOW, ATTEMPT)
    print(
        {name: shadow.measurements[name] for name in ("samples", "differing", "noise_differing", "latency")}
    )

    _until("requests never rested", lambda: moving.router.under_way(MODEL, ATTEMPT) == 0)
    pid = moving.servers.status(f"vllm-{ATTEMPT}").pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    killed = time.time()
    _until(
        "no request after the kill", lambda: sum(r["scheduled"] > killed for r in _records(moving.state)) >= 3
    )
    assert [record for record in _records(moving.state) if not record["ok"]] == []
