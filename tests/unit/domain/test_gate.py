import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.domain.approval import Approval, Decision, Gate, require
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Tensor, Wire
from turnout.domain.errors import RefusedError
from turnout.domain.evidence import Evidence, Phase, Verdict
from turnout.domain.gate import (
    POLICY,
    Answer,
    Ask,
    CodeCheck,
    Course,
    by_policy,
    judged,
    policy_passes,
    standing,
)
from turnout.domain.workload import Criticality

EVIDENCE = Evidence(
    subject="iris",
    phase=Phase.SHADOW,
    attempt="iris-1",
    inputs_digest="i",
    verdict=Verdict.PASS,
    code_version="0",
    at_seconds=1.0,
)
ASK = Ask(model="iris", attempt="iris-1", gate=Gate.CANARY, number=3, owner="ana", evidence=EVIDENCE)
ANSWER = Answer(decision=Decision.APPROVE, code="123456", reason="within my bounds")


def _approval(number: int, decision: Decision, digest: str = EVIDENCE.digest) -> Approval:
    return Approval(
        model="iris",
        attempt="iris-1",
        gate=Gate.CANARY,
        ask=number,
        owner="ana",
        decision=decision,
        reason=f"reason {number}",
        evidence_digest=digest,
        at_seconds=float(number),
    )


def _contract(*, on_evidence: bool) -> Contract:
    tensor = Tensor(name="x", datatype="FP64", shape=(-1, 4))
    return Contract(
        model="iris",
        wire=Wire.V1,
        inputs=(tensor,),
        outputs=(tensor,),
        same_answer=SameAnswer(kind=AnswerKind.LABELS),
        gates_on_evidence=on_evidence,
    )


def test_a_gate_without_answers_asks_for_the_first_time():
    """Nobody has to have said anything for a gate to begin."""
    now = standing([], EVIDENCE.digest)
    assert (now.course, now.number, now.note) == (Course.WAITING, 1, "")


def test_a_refused_code_decides_nothing_and_is_told_at_the_next_ask():
    """A wrong code leaves the gate waiting, under a new number, with the reason shown."""
    now = standing([_approval(1, Decision.REFUSED)], EVIDENCE.digest)
    assert (now.course, now.number, now.note) == (Course.WAITING, 2, "reason 1")


def test_an_approval_of_other_evidence_passes_nothing():
    """An approval is bound to what was shown; for other evidence the gate asks anew."""
    now = standing([_approval(1, Decision.APPROVE, "other")], EVIDENCE.digest)
    assert (now.course, now.number, now.note) == (Course.WAITING, 2, "")


@pytest.mark.parametrize(
    ("decision", "course"), [(Decision.APPROVE, Course.PASSED), (Decision.REJECT, Course.REJECTED)]
)
def test_the_owners_word_decides(decision: Decision, course: Course):
    """Approve passes, reject rejects, also after refused codes."""
    now = standing([_approval(1, Decision.REFUSED), _approval(2, decision)], EVIDENCE.digest)
    assert (now.course, now.number) == (course, 2)


@given(
    st.lists(st.tuples(st.sampled_from(Decision), st.sampled_from([EVIDENCE.digest, "other"])), max_size=8)
)
def test_a_gate_is_passed_exactly_when_a_weight_may_rise(given_answers: list[tuple[Decision, str]]):
    """What the flow goes on and what raising a weight checks are the same, whatever the record."""
    answers = [_approval(n, decision, digest) for n, (decision, digest) in enumerate(given_answers, 1)]
    now = standing(answers, EVIDENCE.digest)
    try:
        require(answers, attempt="iris-1", gate=Gate.CANARY, evidence_digest=EVIDENCE.digest)
        allowed = True
    except RefusedError:
        allowed = False
    assert allowed == (now.course is Course.PASSED)
    assert now.course is not Course.WAITING or now.number == len(answers) + 1


def test_an_accepted_code_makes_the_owners_word_the_record():
    """The record holds who, what, why and over which evidence."""
    found = judged(ASK, ANSWER, CodeCheck(accepted=True), 9.0)
    assert (found.owner, found.decision, found.reason) == ("ana", Decision.APPROVE, "within my bounds")
    assert (found.ask, found.evidence_digest, found.at_seconds) == (3, EVIDENCE.digest, 9.0)


def test_a_refused_code_is_recorded_with_its_reason_not_with_the_answers():
    """A record of a refusal says why, and never that somebody approved."""
    found = judged(ASK, ANSWER, CodeCheck(accepted=False, reason="the code is wrong"), 9.0)
    assert (found.decision, found.reason) == (Decision.REFUSED, "the code is wrong")


def test_a_run_that_was_forced_on_without_a_form_is_refused():
    """Resuming a run by force is an answer that decides nothing."""
    found = judged(ASK, None, CodeCheck(accepted=True), 9.0)
    assert found.decision is Decision.REFUSED
    assert "without a filled-in form" in found.reason


def test_only_a_known_low_criticality_passes_on_evidence_alone():
    """The policy needs the contract's word, a known low criticality, and passing evidence."""
    allowing = _contract(on_evidence=True)
    assert policy_passes(allowing, Criticality.LOW, Gate.CANARY, EVIDENCE)
    assert not policy_passes(_contract(on_evidence=False), Criticality.LOW, Gate.CANARY, EVIDENCE)
    assert not policy_passes(allowing, None, Gate.CANARY, EVIDENCE)
    assert not policy_passes(allowing, Criticality.MEDIUM, Gate.CANARY, EVIDENCE)
    assert not policy_passes(allowing, Criticality.LOW, Gate.EXTEND, EVIDENCE)
    held = EVIDENCE.model_copy(update={"verdict": Verdict.HOLD})
    assert not policy_passes(allowing, Criticality.LOW, Gate.CANARY, held)


def test_the_record_says_that_the_policy_decided():
    """A gate passed on evidence alone names no person."""
    found = by_policy(ASK, 9.0)
    assert (found.owner, found.decision, found.evidence_digest) == (POLICY, Decision.APPROVE, EVIDENCE.digest)
