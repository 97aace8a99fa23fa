"""Answers at gates, a file each, kept outside Prefect and MLflow.

A file is created whole or not at all, and never a second time: that is what "answered once" rests on.
"""

from turnout.domain.approval import Approval, Gate
from turnout.domain.errors import RefusedError
from turnout.fabric.once import create
from turnout.fabric.state import State


class ApprovalFiles:
    """`STATE/approvals/ATTEMPT/GATE-0001.json`, one an ask."""

    def __init__(self, state: State) -> None:
        """Keep the answers below a state directory."""
        self._root = state.approvals

    def record(self, approval: Approval) -> None:
        """See `Approvals.record`."""
        file = self._root / approval.attempt / f"{approval.gate}-{approval.ask:04d}.json"
        if not create(file, approval.model_dump_json(indent=1)):
            raise _answered(approval)

    def answers(self, attempt: str, gate: Gate) -> list[Approval]:
        """See `Approvals.answers`."""
        files = sorted((self._root / attempt).glob(f"{gate}-*.json"))
        return [Approval.model_validate_json(file.read_bytes()) for file in files]


class MemoryApprovals:
    """The same in memory, for tests."""

    def __init__(self) -> None:
        """Begin with no answers."""
        self._answers: dict[tuple[str, Gate, int], Approval] = {}

    def record(self, approval: Approval) -> None:
        """See `Approvals.record`."""
        if (
            self._answers.setdefault((approval.attempt, approval.gate, approval.ask), approval)
            is not approval
        ):
            raise _answered(approval)

    def answers(self, attempt: str, gate: Gate) -> list[Approval]:
        """See `Approvals.answers`."""
        found = [a for a in self._answers.values() if (a.attempt, a.gate) == (attempt, gate)]
        return sorted(found, key=lambda a: a.ask)


def _answered(approval: Approval) -> RefusedError:
    return RefusedError(
        f"gate {approval.gate} of {approval.attempt}",
        observed=f"ask {approval.ask} has an answer already",
        limit="one answer an ask",
        remedy="Start the migration again: it goes on from the recorded answer.",
    )
