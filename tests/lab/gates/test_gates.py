import time

import pytest
from prefect.states import Scheduled

from flows.gate import answer
from turnout.domain.approval import Decision, Gate


def _waits(served, run):
    return served.state(run).is_paused()


def test_only_the_owners_own_unused_code_opens_a_gate(served, gated, tmp_path):
    """Wrong, used and others' codes, and a forced resume, are refused and recorded; the gate waits on."""
    wiring = gated.wiring(tmp_path)
    owners, record = wiring.owners, wiring.approvals
    for owner in ("ana", "bo"):
        owners.enrol(owner)
    run = served.start("gated", tmp_path)

    def after(number, act):
        served.wait(lambda: _waits(served, run) and wiring.attempts.asked(gated.ATTEMPT).number == number)
        act()
        served.wait(lambda: len(record.answers(gated.ATTEMPT, Gate.CANARY)) == number)
        return record.answers(gated.ATTEMPT, Gate.CANARY)[-1]

    def hand_in(code):
        answer(str(run), decision="approve", code=code, reason="it is good")

    def hand_in_used():
        code = owners.code("ana", time.time())
        assert owners.verify("ana", code, time.time()).accepted, "at some other gate"
        hand_in(code)

    right = {owners.code("ana", time.time() + 30 * n) for n in range(-2, 5)}
    wrong = next(f"{n:06}" for n in range(10) if f"{n:06}" not in right)
    refused = [
        after(1, lambda: hand_in(wrong)),
        after(2, hand_in_used),
        after(3, lambda: hand_in(owners.code("bo", time.time()))),
        after(4, lambda: served.client.set_flow_run_state(run, Scheduled(name="Resuming"), force=True)),
    ]
    assert [r.decision for r in refused] == [Decision.REFUSED] * 4
    reasons = [r.reason for r in refused]
    assert reasons[0] == "the code is wrong"
    assert reasons[1] == "this code was used before"
    assert "another owner's" in reasons[2]
    assert "without a filled-in form" in reasons[3]
    assert not (tmp_path / "outcome").exists()

    approved = after(5, lambda: hand_in(owners.code("ana", time.time())))
    assert (approved.owner, approved.decision) == ("ana", Decision.APPROVE)
    assert approved.evidence_digest == gated.EVIDENCE.digest
    served.wait(lambda: served.state(run).is_final())
    assert served.state(run).is_completed()
    assert (tmp_path / "outcome").read_text() == "passed 0.1"
    assert len(record.answers(gated.ATTEMPT, Gate.CANARY)) == 5
    assert wiring.attempts.asked(gated.ATTEMPT) is None
    _page_shows_the_evidence(served, run, gated)


def _page_shows_the_evidence(served, run, gated):
    artifacts = served.client.request("POST", "/artifacts/filter", json={}).json()
    pages = [a["data"] for a in artifacts if a["flow_run_id"] == str(run) and a["type"] == "markdown"]
    assert len(pages) == 5, "one page an ask"
    assert all(gated.EVIDENCE.digest in page and "ana" in page for page in pages)
    assert any("the code is wrong" in page for page in pages)


def test_the_form_takes_only_what_it_asks_for(served, gated, tmp_path):
    """Prefect itself refuses an answer that is not of the form; the gate waits on, nothing is recorded."""
    wiring = gated.wiring(tmp_path)
    run = served.start("gated", tmp_path)
    served.wait(lambda: _waits(served, run))
    with pytest.raises(RuntimeError, match="approve"):
        answer(str(run), decision="maybe", code="123456", reason="x")
    assert _waits(served, run)
    assert wiring.approvals.answers(gated.ATTEMPT, Gate.CANARY) == []


def test_a_phase_that_is_started_alone_gets_nowhere(served, tmp_path):
    """Raising a weight checks the record itself: without an approval the run fails and says why."""
    run = served.start("alone", tmp_path)
    served.wait(lambda: served.state(run).is_final())
    state = served.state(run)
    assert state.is_failed()
    assert "the owner's approval" in str(state.message)
    assert not (tmp_path / "outcome").exists()
