"""The order of a canary on a router in this process, its sentinel played by the test; no Prefect."""

import itertools
import time
from dataclasses import dataclass, field

import pytest

from flows import canary as module
from flows.canary import canary
from tasks import canary as tasks
from turnout.domain.approval import Approval, Decision, Gate
from turnout.domain.canary import SentinelReport
from turnout.domain.contract import Contract, Rollout, SameAnswer
from turnout.domain.errors import RefusedError
from turnout.domain.evidence import Evidence, Phase, Verdict
from turnout.domain.route import Backend, Opening, Registration
from turnout.fabric import contracts
from turnout.fabric.approvals import MemoryApprovals
from turnout.fabric.registry.evidence import MemoryEvidence
from turnout.fabric.router.memory import MemoryRouter
from turnout.settings import Settings
from turnout.wiring.migrating import Wiring, use

MODEL, ATTEMPT = "iris", "iris-1"
STEPS = (0.1, 0.25, 0.5)


@dataclass
class Sentinel:
    """Passes every weight but those it is told to leave open; breaches, or dies with the flow, at one."""

    router: MemoryRouter
    open: set[float] = field(default_factory=set)
    breach_at: float | None = None
    dies_at: float | None = None
    traffic: bool = True
    seen: list[float] = field(default_factory=list)

    def report(self, attempt):
        """What it says of the weight that the router has."""
        weight = self.router.read(MODEL).weight
        self.seen.append(weight)
        if weight and weight == self.dies_at:
            self.dies_at = None
            raise KeyboardInterrupt
        if weight and weight == self.breach_at:
            self.router.roll_back(MODEL, attempt, reason="errors", by="sentinel")
        if not self.traffic:
            return SentinelReport(attempt=attempt, armed=True, weight=0.0, since_weight_seconds=9)
        verdict = "undecided" if weight in self.open else "pass"
        return SentinelReport(
            attempt=attempt, armed=True, weight=weight, verdict=verdict, since_weight_seconds=9
        )


@pytest.fixture
def world(tmp_path, monkeypatch):
    """An open attempt at weight 0 whose shadow test has passed and whose owner has approved the canary."""
    contract = Contract(
        model=MODEL,
        wire="v1",
        inputs=(),
        outputs=(),
        same_answer=SameAnswer(kind="labels"),
        rollout=Rollout(steps=STEPS, step_longest_seconds=5),
    )
    contracts.write(tmp_path / "contracts", contract)
    router = MemoryRouter()
    router.register(Registration(model=MODEL, listen_port=1, stable=Backend(name="legacy", port=2)))
    router.open(Opening(model=MODEL, attempt=ATTEMPT, candidate=Backend(name=ATTEMPT, port=3)))
    settings = Settings(
        state=tmp_path,
        manifests=tmp_path,
        contracts=tmp_path / "contracts",
        pools=tmp_path,
        owners=tmp_path / "owners.yaml",
    )
    wiring = Wiring(
        settings,
        router=router,
        evidence=MemoryEvidence(),
        approvals=MemoryApprovals(),
        sentinel=Sentinel(router),
    )
    wiring.attempts.new(MODEL)
    for name in ("raise_weight", "await_step", "conclude"):
        monkeypatch.setattr(module, name, getattr(tasks, name).fn)
    monkeypatch.setattr(module, "show", lambda _evidence: None)
    monkeypatch.setattr("tasks.canary._POLL_SECONDS", 0.0)
    use(wiring)
    _approve(wiring, Gate.CANARY, _shadowed(wiring))
    yield wiring
    use(None)


def _shadowed(wiring):
    evidence = Evidence(
        subject=MODEL, phase=Phase.SHADOW, attempt=ATTEMPT, inputs_digest="i", verdict=Verdict.PASS,
        code_version="0", at_seconds=1.0,
    )  # fmt: skip
    wiring.evidence.write(evidence)
    return evidence


def _approve(wiring, gate, evidence):
    wiring.approvals.record(
        Approval(
            model=MODEL,
            attempt=ATTEMPT,
            gate=gate,
            ask=1 + len(wiring.approvals.answers(ATTEMPT, gate)),
            owner="ana",
            decision=Decision.APPROVE,
            reason="good",
            evidence_digest=evidence.digest,
            at_seconds=time.time(),
        )
    )


def _weights(wiring):
    seen = wiring.sentinel.seen
    return [new for old, new in itertools.pairwise([0.0, *seen]) if new != old]


def test_a_canary_takes_every_step_and_passes(world):
    """Each weight is raised once, in order, and the evidence names them all."""
    evidence = canary.fn(MODEL, ATTEMPT)
    assert evidence.verdict is Verdict.PASS
    assert [step["weight"] for step in evidence.measurements["steps"]] == list(STEPS)
    assert _weights(world) == list(STEPS)
    assert world.router.read(MODEL).weight == 0.5


def test_a_canary_that_is_killed_goes_on_where_it_stood(world):
    """Begun again from its start it repeats no step and ends the same way; once more changes nothing."""
    world.sentinel.dies_at = 0.25
    with pytest.raises(KeyboardInterrupt):
        canary.fn(MODEL, ATTEMPT)
    assert [step.weight for step in world.attempts.steps(ATTEMPT)] == [0.1]
    evidence = canary.fn(MODEL, ATTEMPT)
    assert evidence.verdict is Verdict.PASS
    assert _weights(world) == list(STEPS)
    assert canary.fn(MODEL, ATTEMPT) == evidence


def test_a_breach_ends_the_canary_and_begun_again_it_raises_nothing(world):
    """The sentinel acted alone; the flow says so, however often it begins."""
    world.sentinel.breach_at = 0.25
    for _ in range(2):
        evidence = canary.fn(MODEL, ATTEMPT)
        assert (evidence.verdict, evidence.reasons) == (Verdict.FAIL, ("rolled back by sentinel: errors",))
        assert world.router.read(MODEL).weight == 0


@pytest.mark.parametrize("traffic", [True, False], ids=["too little traffic", "no traffic at all"])
def test_without_enough_traffic_a_step_neither_passes_nor_fails(world, traffic):
    """It holds its weight and asks; the owner's word gives it more time, and only evidence takes it on."""
    world.sentinel.open = {0.25}
    if not traffic:
        world.sentinel.open, world.sentinel.traffic = set(STEPS), False
    stuck = 0.25 if traffic else 0.1
    for _ in range(2):
        evidence = canary.fn(MODEL, ATTEMPT)
        assert evidence.verdict is Verdict.HOLD
        assert evidence.reasons[0].startswith("not enough evidence")
        assert world.router.read(MODEL).weight == stuck
        assert world.router.tombstone(MODEL, ATTEMPT) is None
    world.sentinel.open, world.sentinel.traffic = set(), True
    _approve(world, Gate.EXTEND, evidence)
    assert canary.fn(MODEL, ATTEMPT).verdict is Verdict.PASS


def test_started_alone_a_canary_gets_nowhere(world):
    """Without the owner's approval of this very evidence nothing is raised."""
    world.evidence.write(_shadowed(world).model_copy(update={"at_seconds": 2.0}))
    with pytest.raises(RefusedError, match="owner's approval"):
        canary.fn(MODEL, ATTEMPT)
    assert world.router.read(MODEL).weight == 0
