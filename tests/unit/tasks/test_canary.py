"""The canary, the cutover and the way back, on a router and stores in this process."""

import json
import time
from dataclasses import dataclass, field

import pytest

from tasks.canary import await_step, conclude, raise_weight
from tasks.cutover import cut_over
from tasks.gate import settle
from tasks.position import position
from tasks.rollback import take_back
from tasks.weight import over, renew
from turnout.domain.approval import Approval, Decision, Gate
from turnout.domain.attempt import End, Hold, Outcome
from turnout.domain.canary import SentinelReport, StepCourse
from turnout.domain.contract import AnswerKind, Contract, Rollout, SameAnswer, Tensor, Wire
from turnout.domain.errors import RefusedError, TemporaryError
from turnout.domain.evidence import Evidence, Phase, Verdict
from turnout.domain.gate import Answer, Ask
from turnout.domain.rollout import Stage, change
from turnout.domain.route import Backend, Opening, Registration
from turnout.fabric import contracts
from turnout.fabric.approvals import MemoryApprovals
from turnout.fabric.registry.evidence import MemoryEvidence
from turnout.fabric.router.memory import MemoryRouter
from turnout.settings import Settings
from turnout.wiring.migrating import Wiring, use

MODEL, ATTEMPT = "iris", "iris-1"
TENSOR = Tensor(name="x", datatype="FP64", shape=(-1, 4))
ROLLOUT = Rollout(steps=(0.1, 0.5), step_longest_seconds=5, step_lease_seconds=60)


@dataclass
class Sentinel:
    """Says what a test lets it say; `turns` are said one after the other, the last one for good."""

    turns: list[SentinelReport | None] = field(default_factory=lambda: [None])

    def report(self, _attempt: str) -> SentinelReport | None:
        """The next word."""
        return self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]


@pytest.fixture
def wiring(tmp_path, monkeypatch):
    """One model with an open attempt at weight 0 that has passed its shadow test."""
    contract = Contract(
        model=MODEL,
        wire=Wire.V1,
        inputs=(TENSOR,),
        outputs=(TENSOR,),
        same_answer=SameAnswer(kind=AnswerKind.LABELS),
        rollout=ROLLOUT,
    )
    contracts.write(tmp_path / "contracts", contract)
    (tmp_path / "owners.yaml").write_text("owners:\n  ana: {name: Ana, models: [iris]}\n")
    router, evidence = MemoryRouter(), MemoryEvidence()
    router.register(Registration(model=MODEL, listen_port=1, stable=Backend(name="iris-legacy", port=2)))
    router.open(Opening(model=MODEL, attempt=ATTEMPT, candidate=Backend(name=ATTEMPT, port=3)))
    settings = Settings(
        state=tmp_path,
        manifests=tmp_path,
        contracts=tmp_path / "contracts",
        pools=tmp_path / "pools.yaml",
        owners=tmp_path / "owners.yaml",
    )
    made = Wiring(
        settings,
        router=router,
        evidence=evidence,
        approvals=MemoryApprovals(),
        sentinel=Sentinel(),
    )
    made.attempts.new(MODEL)
    _found(made, Phase.SHADOW)
    monkeypatch.setattr("tasks.canary._POLL_SECONDS", 0.0)
    use(made)
    yield made
    use(None)


def _found(wiring, phase, verdict=Verdict.PASS, at_seconds=1.0):
    evidence = Evidence(
        subject=MODEL,
        phase=phase,
        attempt=ATTEMPT,
        inputs_digest="i",
        verdict=verdict,
        code_version="0",
        at_seconds=at_seconds,
    )
    wiring.evidence.write(evidence)
    return evidence


def _approve(wiring, gate, evidence, decision=Decision.APPROVE):
    number = 1 + len(wiring.approvals.answers(ATTEMPT, gate))
    wiring.approvals.record(
        Approval(
            model=MODEL,
            attempt=ATTEMPT,
            gate=gate,
            ask=number,
            owner="ana",
            decision=decision,
            reason="good",
            evidence_digest=evidence.digest,
            at_seconds=time.time(),
        )
    )


def _shadow(wiring):
    return wiring.evidence.history(MODEL, Phase.SHADOW)[-1]


def _to(wiring, weight):
    return change(wiring.router.read(MODEL), ATTEMPT, weight, 60)


def _report(weight, verdict="pass", **more):
    return SentinelReport(attempt=ATTEMPT, armed=True, weight=weight, verdict=verdict, **more)


def test_no_weight_without_an_approval(wiring):
    """A phase that is started alone gets nowhere: the router is not touched."""
    with pytest.raises(RefusedError, match="owner's approval"):
        raise_weight.fn(MODEL, ATTEMPT, 0.1)
    assert wiring.router.read(MODEL).weight == 0


def test_no_weight_on_a_rejection_or_on_an_approval_of_other_evidence(wiring):
    """Only an approval of this very evidence counts, and the last word of the owner."""
    _approve(wiring, Gate.CANARY, _shadow(wiring).model_copy(update={"at_seconds": 7.0}))
    with pytest.raises(RefusedError):
        raise_weight.fn(MODEL, ATTEMPT, 0.1)
    _approve(wiring, Gate.CANARY, _shadow(wiring))
    _approve(wiring, Gate.CANARY, _shadow(wiring), Decision.REJECT)
    with pytest.raises(RefusedError):
        raise_weight.fn(MODEL, ATTEMPT, 0.1)
    assert wiring.router.read(MODEL).weight == 0


def test_an_approved_weight_is_raised_with_its_lease_and_never_lowered(wiring):
    """Raising again changes nothing but the lease; a lower step never takes traffic back by accident."""
    _approve(wiring, Gate.CANARY, _shadow(wiring))
    assert raise_weight.fn(MODEL, ATTEMPT, 0.5) == 0.5
    assert wiring.router.read(MODEL).step_lease_seconds == 60
    renew(MODEL, ATTEMPT, 999)
    assert raise_weight.fn(MODEL, ATTEMPT, 0.1) == 0.5
    assert wiring.router.read(MODEL).step_lease_seconds == 60


@dataclass
class Size:
    """Legacy whose replicas are not all ready until a test says so."""

    ready: bool = False
    pinned: list[str] = field(default_factory=list)

    def pin(self, model):
        """Keep it; refuse while it is not ready."""
        self.pinned.append(model)
        if not self.ready:
            raise TemporaryError(model, observed="1 of 2 ready", limit="its full size", remedy="wait")

    def release(self, _model):
        """Nothing to give back."""


def test_no_weight_rises_before_legacy_is_at_its_full_size(wiring):
    """It keeps the room for everything first; and for nobody's sake without an approval."""
    wiring.legacy_size = size = Size()
    with pytest.raises(RefusedError):
        raise_weight.fn(MODEL, ATTEMPT, 0.1)
    assert size.pinned == []
    _approve(wiring, Gate.CANARY, _shadow(wiring))
    with pytest.raises(TemporaryError, match="full size"):
        raise_weight.fn(MODEL, ATTEMPT, 0.1)
    assert wiring.router.read(MODEL).weight == 0
    size.ready = True
    assert raise_weight.fn(MODEL, ATTEMPT, 0.1) == 0.1


def test_the_canarys_approval_does_not_reach_the_cutover(wiring):
    """The weight of the cutover has its own gate, over its own evidence."""
    _approve(wiring, Gate.CANARY, _shadow(wiring))
    with pytest.raises(RefusedError, match=r"at most 0\.5"):
        raise_weight.fn(MODEL, ATTEMPT, 0.95)
    with pytest.raises(RefusedError, match="no passing evidence of its canary"):
        cut_over.fn(MODEL, ATTEMPT)


def test_a_step_passes_on_the_sentinels_word_and_leaves_its_numbers(wiring):
    """The counts of this weight's looks become the step's evidence; lines that are not whole are left out."""
    lines = [
        {"weight": 0.1, "legacy": {"requests": 18}, "candidate": {"requests": 2, "errors": 0}},
        {"weight": 0.5, "legacy": {"requests": 1}, "candidate": {"requests": 9}},
    ]
    file = wiring.state.looks(ATTEMPT)
    file.parent.mkdir(parents=True)
    cut = '{"weight": 0.1, "leg'  # by a full disk, and by being read while it is written
    file.write_text("\n".join([cut, *(json.dumps(line) for line in lines), cut]))
    undecided = _report(0.1, "undecided", since_weight_seconds=1)
    wiring.sentinel.turns = [None, undecided, _report(0.5), _report(0.1, since_weight_seconds=4)]
    assert await_step.fn(MODEL, ATTEMPT, 0.1) is StepCourse.PASSED
    (step,) = wiring.attempts.steps(ATTEMPT)
    assert (step.weight, step.seconds, step.legacy, step.candidate["requests"]) == (
        0.1,
        4,
        {"requests": 18},
        2,
    )


def test_a_rollback_ends_the_wait_whoever_did_it(wiring):
    """The flow notices a tombstone, and the evidence says who and why."""
    wiring.router.roll_back(MODEL, ATTEMPT, reason="errors", by="sentinel")
    assert await_step.fn(MODEL, ATTEMPT, 0.1) is StepCourse.OVER
    evidence = conclude.fn(MODEL, ATTEMPT, Stage.ENDED)
    assert evidence.verdict is Verdict.FAIL
    assert evidence.reasons == ("rolled back by sentinel: errors",)


def test_a_step_without_enough_evidence_is_late_until_its_owner_gives_it_more_time(wiring):
    """Neither breach nor pass holds; the owner's word starts the clock of this step anew."""
    wiring.sentinel.turns = [_report(0.1, "undecided", since_weight_seconds=9)]
    assert await_step.fn(MODEL, ATTEMPT, 0.1) is StepCourse.LATE
    evidence = conclude.fn(MODEL, ATTEMPT, Stage.ASKING)
    assert evidence.verdict is Verdict.HOLD
    _approve(wiring, Gate.EXTEND, evidence)
    wiring.sentinel.turns = [_report(0.1, "undecided", since_weight_seconds=9), _report(0.1)]
    assert await_step.fn(MODEL, ATTEMPT, 0.1) is StepCourse.PASSED


def test_a_held_migration_does_not_go_on_when_its_step_has_passed(wiring, monkeypatch):
    """The sentinel stays armed while held; the flow waits for the hold to be lifted."""
    wiring.attempts.hold(ATTEMPT, Hold(by="ana", reason="lunch", at_seconds=1))
    wiring.sentinel.turns = [_report(0.1)]
    slept = []

    def sleep(_seconds):
        slept.append(wiring.attempts.steps(ATTEMPT))
        if len(slept) == 3:
            wiring.attempts.hold(ATTEMPT, None)

    monkeypatch.setattr("tasks.canary.time.sleep", sleep)
    assert await_step.fn(MODEL, ATTEMPT, 0.1) is StepCourse.PASSED
    assert slept == [(), (), ()]


def test_a_canary_passes_only_with_every_step(wiring):
    """A pass needs a record of each step; concluding again finds the same evidence."""
    for weight in ROLLOUT.steps:
        assert conclude.fn(MODEL, ATTEMPT, position(MODEL, ATTEMPT).stage).verdict is Verdict.HOLD
        wiring.router.change(_to(wiring, weight))
        wiring.sentinel.turns = [_report(weight)]
        await_step.fn(MODEL, ATTEMPT, weight)
    evidence = conclude.fn(MODEL, ATTEMPT, position(MODEL, ATTEMPT).stage)
    assert evidence.verdict is Verdict.PASS
    assert [s["weight"] for s in evidence.measurements["steps"]] == [0.1, 0.5]
    assert conclude.fn(MODEL, ATTEMPT, position(MODEL, ATTEMPT).stage) == evidence


def test_an_approved_cutover_stands_for_as_long_as_it_is_guarded(wiring):
    """The full share leaves legacy its control share and has no step lease; again changes nothing."""
    _approve(wiring, Gate.CUTOVER, _found(wiring, Phase.CANARY))
    wiring.sentinel.turns = [_report(0.95)]
    evidence = cut_over.fn(MODEL, ATTEMPT)
    route = wiring.router.read(MODEL)
    assert (evidence.verdict, route.weight, route.step_lease_seconds) == (Verdict.PASS, 0.95, None)
    assert cut_over.fn(MODEL, ATTEMPT) == evidence


def test_the_way_back_is_written_down_once_in_the_first_ones_words(wiring):
    """A rollback by hand stays by hand in the evidence, however often a flow clears away after it."""
    wiring.router.roll_back(MODEL, ATTEMPT, reason="3 am", by="on call")
    first = take_back.fn(MODEL, ATTEMPT, "later", "migrate")
    assert (first.verdict, first.reasons, first.measurements["by"]) == (Verdict.PASS, ("3 am",), "on call")
    assert take_back.fn(MODEL, ATTEMPT, "later", "migrate") == first
    assert over(MODEL, ATTEMPT)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_only_what_is_cut_over_lives_on(wiring, outcome):
    """An attempt that the flows ended is over also before its tombstone is seen."""
    wiring.attempts.end(ATTEMPT, End(outcome=outcome, by="x", reason="y", at_seconds=1))
    assert over(MODEL, ATTEMPT) == (outcome is not Outcome.CUT_OVER)


def test_a_code_is_checked_once_and_at_the_time_it_was_handed_in(wiring):
    """A slow start of the run costs the owner nothing; an answer handed out again is not checked again."""
    wiring.owners.enrol("ana")
    now = time.time()
    ask = Ask(model=MODEL, attempt=ATTEMPT, gate=Gate.CANARY, number=1, owner="ana", evidence=_shadow(wiring))
    code = wiring.owners.code("ana", now - 150)
    answer = Answer(decision=Decision.APPROVE, code=code, reason="good")
    first = settle(ask, answer, now - 150)
    assert first.decision is Decision.APPROVE
    assert settle(ask, answer, now - 150) == first
    second = settle(ask.model_copy(update={"number": 2}), answer, now - 150)
    assert (second.decision, second.reason) == (Decision.REFUSED, "this code was used before")


def test_a_claim_to_have_been_handed_in_long_ago_or_later_is_not_believed(wiring):
    """Prefect's word on the time is taken within three minutes only."""
    wiring.owners.enrol("ana")
    now = time.time()
    for number, at in ((1, now - 900), (2, now + 900)):
        ask = Ask(
            model=MODEL,
            attempt=ATTEMPT,
            gate=Gate.CANARY,
            number=number,
            owner="ana",
            evidence=_shadow(wiring),
        )
        answer = Answer(decision=Decision.APPROVE, code=wiring.owners.code("ana", at), reason="good")
        assert settle(ask, answer, at).decision is Decision.REFUSED
