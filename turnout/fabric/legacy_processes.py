"""Legacy servers that are processes of a lab: `legacy-MODEL`, and `legacy-MODEL-PART` behind it."""

import json

from turnout.domain.server import Servers, ServerSpec
from turnout.fabric import whole
from turnout.fabric.board import Board
from turnout.fabric.router import ending
from turnout.fabric.state import State

READY_WITHIN_SECONDS = 300.0


class LegacyProcesses:
    """The size of a lab's legacy models: one process each, or none.

    Args:
        state: The state directory.
        servers: Where they run.
    """

    def __init__(self, state: State, servers: Servers) -> None:
        """Keep where they are."""
        self._state, self._servers = state, servers

    def pin(self, model: str) -> None:
        """Nothing would make it smaller."""

    def release(self, model: str) -> None:
        """Nothing was pinned."""

    def scales(self, model: str) -> bool:
        """Whether they are servers of this lab, also when they have ended."""
        return bool(self._running(model) or self._kept(model))

    def retire(self, model: str) -> None:
        """End its servers, what clients reach first, and keep what they were started with.

        Raises:
            TemporaryError: One was not gone in time.
        """
        if running := self._running(model):
            written = json.dumps([one.model_dump(mode="json") for one in running], indent=1)
            whole.write(self._state.retired(model), written)
        for spec in self._kept(model):
            self._servers.stop(spec.name)

    def restore(self, model: str) -> None:
        """Start its servers as they were, what clients reach last.

        Raises:
            TemporaryError: One was not ready in time.
        """
        for spec in reversed(self._kept(model)):
            self._servers.ensure(spec, ready_within_seconds=READY_WITHIN_SECONDS)
        self._state.retired(model).unlink(missing_ok=True)

    def _kept(self, model: str) -> list[ServerSpec]:
        file = self._state.retired(model)
        found = json.loads(file.read_text()) if file.is_file() else []
        return [ServerSpec.model_validate(one) for one in found]

    def _running(self, model: str) -> list[ServerSpec]:
        """Its servers, the one that clients reach first; `iris` is not `iris-large`."""
        board, front = Board(self._state), f"legacy-{model}"
        others = [f"legacy-{one}" for one in ending.models(self._state.routes) if one.startswith(f"{model}-")]
        behind = [
            name
            for name in board.names()
            if name.startswith(f"{front}-") and not any(f"{name}-".startswith(f"{one}-") for one in others)
        ]
        return [spec for name in (front, *behind) if (spec := board.spec(name))]
