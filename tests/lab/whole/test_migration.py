import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.waiting import until
from turnout.domain.attempt import Outcome
from turnout.domain.evidence import Phase
from turnout.domain.requests import Arm
from turnout.fabric.state import State
from turnout.settings import Settings
from turnout.wiring.migrating import Wiring

MODEL, ATTEMPT = "iris", "iris-1"
LONGEST_SECONDS = 480.0

pytestmark = pytest.mark.timeout(900)


def _until(what: str, found: Callable[[], Any]) -> Any:
    return until(found, what, LONGEST_SECONDS)


def _failures(state: State) -> list[str]:
    lines = state.client(MODEL).read_text().splitlines()
    return [line for line in lines[:-1] if not json.loads(line)["ok"]]


def test_a_model_moves_although_its_worker_is_killed_and_comes_back_without_the_control_plane(
    lab: Settings, wiring: Wiring, turnout: Callable[..., Any], capsys: pytest.CaptureFixture[str]
):
    """One attempt from legacy to cutover: killed in its canary it goes on from its evidence; no client fails.

    And with Prefect, its worker and MLflow stopped, one command takes everything back and loses no request.
    They stay down: this test is the lab's last.
    """
    from turnout.lab.desk import Desk  # noqa: PLC0415 -- Prefect reads its settings when it is imported

    state = wiring.state
    contract = lab.contracts / f"{MODEL}.yaml"  # one step, and as much evidence as a pass needs at the least
    document = yaml.safe_load(contract.read_text())
    document["rollout"] |= {"steps": [0.5], "shadow_samples": 40}
    contract.write_text(yaml.safe_dump(document, sort_keys=False))
    with Desk(wiring.owners, wiring.attempts, ui=lab.prefect_ui, say=print) as desk:
        desk.start(MODEL)

        def answered(gate: str) -> bool:
            assert wiring.attempts.ended(ATTEMPT) is None
            ask = desk.waiting(ATTEMPT)
            return ask is not None and ask.gate == gate and desk.answer(ask)

        _until("the canary's gate is asked", lambda: answered("canary"))
        _until("the canary begins", lambda: wiring.router.read(MODEL).weight > 0)
        _kill(wiring, "prefect-worker")

        _until("the cutover's gate is asked", lambda: answered("cutover"))
        end = _until("the attempt ends", lambda: wiring.attempts.ended(ATTEMPT))

    assert end.outcome is Outcome.CUT_OVER, end
    assert [attempt.id for attempt in wiring.attempts.list(MODEL)] == [ATTEMPT]
    for phase in (Phase.PACKAGE, Phase.SHADOW, Phase.CANARY, Phase.CUTOVER):
        assert len(wiring.evidence.history(MODEL, phase, ATTEMPT)) == 1, phase
    assert wiring.router.read(MODEL).weight == pytest.approx(0.95)
    assert _failures(state) == []

    for server in ("prefect-worker", "prefect", "mlflow"):
        wiring.servers.stop(server)
    began = time.time()
    back = turnout("rollback", MODEL, "--reason", "a drill")
    returned = time.time()
    assert back.returncode == 0, back.stderr
    time.sleep(3)

    assert wiring.router.read(MODEL).attempt is None
    stone = wiring.router.tombstone(MODEL, ATTEMPT)
    assert stone is not None
    assert stone.reason == "a drill"
    last = _last_candidate_request(wiring)
    assert last <= returned
    assert _failures(state) == []
    with capsys.disabled():
        print(f"\nturnout rollback: {returned - began:.2f} s; last candidate request {last - began:+.2f} s")


def _kill(wiring: Wiring, server: str) -> None:
    """Kill -9 the worker; the flow it runs dies with it or is left behind, as it happens in production."""
    pid = wiring.servers.status(server).pid
    assert pid
    os.kill(pid, signal.SIGKILL)


def _last_candidate_request(wiring: Wiring) -> float:
    records, _ = wiring.telemetry.read(MODEL)
    return max(r.started_seconds for r in records if r.arm is Arm.CANDIDATE and not r.diverted)
