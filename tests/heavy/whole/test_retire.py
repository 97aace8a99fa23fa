import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.waiting import until
from turnout.domain.attempt import Outcome
from turnout.settings import Settings
from turnout.wiring.migrating import Wiring

MODEL, ATTEMPT, LEGACY = "cancer", "cancer-1", "legacy-cancer"
LONGEST_SECONDS = 480.0

pytestmark = pytest.mark.timeout(900)


def test_legacy_is_retired_after_its_gate_and_brought_back(
    lab: Settings, wiring: Wiring, turnout: Callable[..., Any]
):
    """Legacy's process ends on its owner's word and comes back on anybody's; no client notices either."""
    from turnout.lab.desk import Desk  # noqa: PLC0415 -- Prefect reads its settings when it is imported

    contract = lab.contracts / f"{MODEL}.yaml"
    document = yaml.safe_load(contract.read_text())
    document["rollout"] |= {"steps": [0.5], "retire_after_seconds": 1}
    contract.write_text(yaml.safe_dump(document, sort_keys=False))
    with Desk(wiring.owners, wiring.attempts, ui=lab.prefect_ui, say=print) as desk:

        def brought_to(outcome: Outcome) -> bool:
            if (ask := desk.waiting(ATTEMPT)) is not None:
                desk.answer(ask)
            end = wiring.attempts.ended(ATTEMPT)
            assert end is None or end.outcome in (Outcome.CUT_OVER, Outcome.RETIRED, outcome), end
            return end is not None and end.outcome is outcome

        desk.start(MODEL)
        until(lambda: brought_to(Outcome.CUT_OVER), "cut over", LONGEST_SECONDS)
        until(lambda: _guarded(wiring), "guarded at the full share")

        retiring = desk.retire(MODEL)
        until(lambda: brought_to(Outcome.RETIRED), "retired", LONGEST_SECONDS)
        until(lambda: desk.is_over(retiring), "the run's end", LONGEST_SECONDS)
        assert desk.read(retiring).state.name == "Legacy retired"
        assert wiring.servers.status(LEGACY).state == "stopped"
        assert wiring.router.read(MODEL).stable.name == ATTEMPT
        said = turnout("rollback", MODEL, "--reason", "a habit")
        assert "legacy is retired" in said.stdout, said
        assert wiring.router.read(MODEL).stable.name == ATTEMPT

        restoring = desk.restore(MODEL, "the test brings it back")
        until(lambda: desk.is_over(restoring), "the run's end", LONGEST_SECONDS)
    assert wiring.servers.status(LEGACY).state == "ready"
    assert wiring.router.read(MODEL).stable.name == LEGACY
    end = wiring.attempts.ended(ATTEMPT)
    assert end is not None
    assert (end.outcome, end.reason) == (Outcome.ROLLED_BACK, "the test brings it back")
    lines = wiring.state.client(MODEL).read_text().splitlines()
    assert [line for line in lines[:-1] if not json.loads(line)["ok"]] == []


def _guarded(wiring: Wiring) -> bool:
    report = wiring.sentinel.report(ATTEMPT)
    return report is not None and report.armed and report.hold is None
