import concurrent.futures

import pytest

from turnout.domain.approval import Approval, Approvals, Decision, Gate
from turnout.domain.errors import RefusedError
from turnout.fabric.approvals import ApprovalFiles, MemoryApprovals
from turnout.fabric.state import State


@pytest.fixture(params=["files", "memory"])
def approvals(request: pytest.FixtureRequest, state: State) -> Approvals:
    """The real record and the fake."""
    return ApprovalFiles(state) if request.param == "files" else MemoryApprovals()


def _approval(
    ask: int, gate: Gate = Gate.CANARY, *, attempt: str = "iris-1", reason: str = "why"
) -> Approval:
    return Approval(
        model="iris",
        attempt=attempt,
        gate=gate,
        ask=ask,
        owner="ana",
        decision=Decision.REFUSED,
        reason=reason,
        evidence_digest="d",
        at_seconds=1.5,
    )


def test_answers_come_back_whole_and_in_the_order_of_their_asks(approvals: Approvals):
    """What was recorded is what is read, by gate and attempt."""
    for ask in (2, 10, 1):
        approvals.record(_approval(ask))
    approvals.record(_approval(1, Gate.CUTOVER))
    approvals.record(_approval(1, attempt="iris-2"))
    assert approvals.answers("iris-1", Gate.CANARY) == [_approval(1), _approval(2), _approval(10)]
    assert approvals.answers("iris-1", Gate.EXTEND) == []


def test_an_ask_is_answered_once(approvals: Approvals):
    """A second answer is refused, and the first one stands."""
    approvals.record(_approval(1, reason="first"))
    with pytest.raises(RefusedError):
        approvals.record(_approval(1, reason="second"))
    assert [a.reason for a in approvals.answers("iris-1", Gate.CANARY)] == ["first"]


def test_of_many_answers_at_once_one_is_kept(approvals: Approvals):
    """Racing writers do not mix: one wins, the others are told."""

    def record(number: int) -> bool:
        try:
            approvals.record(_approval(1, reason=str(number)))
        except RefusedError:
            return False
        return True

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        kept = [number for number, won in enumerate(pool.map(record, range(24))) if won]
    assert [a.reason for a in approvals.answers("iris-1", Gate.CANARY)] == [str(kept[0])]
    assert len(kept) == 1
