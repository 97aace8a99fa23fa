"""A step with too little traffic, on the real router and sentinel: it holds, and its owner is asked."""

import time

import httpx
import yaml
from conftest import CONTRACT

from tasks.canary import await_step, conclude
from tests.waiting import until
from turnout.domain.approval import Approval, Decision, Gate
from turnout.domain.canary import StepCourse
from turnout.domain.evidence import Verdict
from turnout.domain.rollout import Stage
from turnout.fabric.approvals import MemoryApprovals
from turnout.fabric.registry.evidence import MemoryEvidence
from turnout.wiring import migrating
from turnout.wiring.migrating import Wiring


def test_too_little_traffic_never_passes_and_never_fails(migration):
    """No request at all, then a few: late each time, the weight stays, and nobody is rolled back."""
    lab, name, attempt = migration.lab, migration.name, migration.attempt
    contract = {"model": name, **CONTRACT}
    contract["rollout"] = {**CONTRACT["rollout"], "step_longest_seconds": 4}
    (lab.settings.contracts / f"{name}.yaml").write_text(yaml.safe_dump(contract))
    migration.clients.stop()
    lab.sentinel()
    until(migration.armed, "armed")
    migration.change(weight=0.5, step_lease_seconds=300.0)
    approvals = MemoryApprovals()
    migrating.use(Wiring(lab.settings, evidence=MemoryEvidence(), approvals=approvals))
    try:
        for ask, requests in enumerate((0, 5), start=1):
            for number in range(requests):
                sent = httpx.post(migration.clients.url, json={"instances": [[float(number), 1.0]]})
                assert sent.json() == {"predictions": [number + 1.0]}
            assert await_step.fn(name, attempt, 0.5) is StepCourse.LATE
            evidence = conclude.fn(name, attempt, Stage.ASKING)
            assert evidence.verdict is Verdict.HOLD
            assert (migration.route.attempt, migration.route.weight) == (attempt, 0.5)
            assert lab.router.tombstone(name, attempt) is None
            assert lab.standing(attempt)["verdict"] == "undecided"
            approvals.record(_more_time(name, attempt, ask, evidence))
    finally:
        migrating.use(None)


def _more_time(model, attempt, ask, evidence):
    return Approval(
        model=model, attempt=attempt, gate=Gate.EXTEND, ask=ask, owner="ana", decision=Decision.APPROVE,
        reason="wait on", evidence_digest=evidence.digest, at_seconds=time.time(),
    )  # fmt: skip
