"""Keeps the lab's models moving while faults hit them: starts, answers gates, starts again what stopped.

Only through the doors that a user has; whatever does not answer now is asked again at the next turn.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import httpx
import yaml
from prefect.exceptions import PrefectException

from flows.automations import MOST_STARTS
from turnout.domain.approval import Gate
from turnout.domain.attempt import End, Outcome
from turnout.domain.errors import TurnoutError
from turnout.fabric import whole
from turnout.lab.desk import Desk
from turnout.lab.drills.drill import Stage
from turnout.lab.drills.processes import Moving
from turnout.wiring.migrating import Wiring

NOT_NOW = (httpx.HTTPError, PrefectException, TurnoutError, OSError)
"""What a fault may make of any question; it is asked again."""
_GATE = f"gate {Gate.CUTOVER}"
_BY_NAME = {stage.value: stage for stage in Stage}
_BETWEEN_ANSWERS_SECONDS = 5.0


@dataclass
class _Move:
    """One model's migration."""

    model: str
    run: UUID | None = None
    attempt: str = ""
    starts: int = 0
    answered: float = 0.0
    rounds: int = 0


class Migrations:
    """The migrations of the lab's models, one attempt after the other.

    Args:
        wiring: The lab's adapters.
        desk: Starts runs and answers gates.
        say: Prints a line of progress.
    """

    def __init__(
        self, wiring: Wiring, desk: Desk, models: tuple[str, ...], say: Callable[[str], None]
    ) -> None:
        """Start nothing yet."""
        self._wiring, self._desk, self._say = wiring, desk, say
        self._moves = [_Move(model) for model in models]
        self.ends: dict[str, End] = {}
        self.starts: dict[str, int] = {}

    def turn(self, *, again: bool, gate_waits: bool) -> None:
        """Take one look at every migration, and do what is to be done.

        Args:
            again: Whether a new attempt is begun where one has ended.
            gate_waits: Whether the gate before the cutover is kept waiting, while its attempt lives.
        """
        for move in self._moves:
            with contextlib.suppress(*NOT_NOW):
                self._look(move, again=again, gate_waits=gate_waits)

    def stages(self) -> dict[str, Stage]:
        """Where each migration is; one that is nowhere of interest is left out."""
        found = {}
        for move in self._moves:
            progress = self._wiring.attempts.progress(move.attempt) if move.attempt else None
            if progress is None or move.attempt in self.ends or self._over(move):
                continue
            stage = Stage.GATE if progress.doing == _GATE else _BY_NAME.get(progress.doing)
            waits = stage is Stage.CANARY and not self._wiring.router.read(move.model).weight
            if stage and not waits:  # a canary begins with its first request
                found[move.model] = stage
        return found

    def moving(self) -> dict[str, Moving]:
        """The migrations that are under way, by model."""
        return {m.model: Moving(m.model, m.attempt, str(m.run)) for m in self._moves if m.attempt and m.run}

    @property
    def idle(self) -> bool:
        """Whether every attempt has ended."""
        return all(move.attempt in self.ends for move in self._moves)

    def _look(self, move: _Move, *, again: bool, gate_waits: bool) -> None:
        if move.run is None:
            return self._start(move)
        if not move.attempt:
            move.attempt = self._wiring.attempts.bound(str(move.run)) or ""
            return None
        if move.attempt not in self.ends and (end := self._wiring.attempts.ended(move.attempt)):
            self.ends[move.attempt] = end
            self._say(f"{move.attempt}: {end.outcome} (by {end.by}: {end.reason})")
        run = self._desk.read(move.run)
        state = run.state
        final = state is not None and state.is_final()
        if move.attempt in self.ends:
            return self._anew(move) if again and final else None
        crashed = state is not None and state.is_crashed() and run.run_count < MOST_STARTS
        if state is not None and final and not crashed:  # Prefect starts a crashed run again, so many times
            self._say(f"{move.attempt}: {state.name}: {state.message}; started again")
            return self._start(move)
        return self._answer(move, gate_waits=gate_waits)

    def _start(self, move: _Move, *, again: bool = False) -> None:
        move.run = self._desk.start(move.model, again=again)
        if again:
            move.attempt = ""
        move.starts += 1
        if move.attempt:
            self.starts[move.attempt] = self.starts.get(move.attempt, 1) + 1

    def _anew(self, move: _Move) -> None:
        """Begin the next attempt; one that was cut over is taken back first."""
        if self.ends[move.attempt].outcome is Outcome.CUT_OVER and not self._over(move):
            self._wiring.router.roll_back(move.model, move.attempt, reason="the next drills", by="drills")
            time.sleep(1.0)
            for runtime in self._wiring.runtimes():
                with contextlib.suppress(*NOT_NOW):
                    runtime.undeploy(move.attempt)
        move.rounds += 1
        _edit(self._wiring, move.model, move.rounds)
        self._start(move, again=True)

    def _answer(self, move: _Move, *, gate_waits: bool) -> None:
        ask = self._desk.waiting(move.attempt)
        if ask is None or time.monotonic() - move.answered < _BETWEEN_ANSWERS_SECONDS:
            return
        if gate_waits and ask.gate is Gate.CUTOVER and not self._over(move):
            return
        move.answered = time.monotonic()
        self._desk.answer(ask)

    def _over(self, move: _Move) -> bool:
        return self._wiring.router.tombstone(move.model, move.attempt) is not None


def _edit(wiring: Wiring, model: str, number: int) -> None:
    """An owner's edit of a contract: without one, the next attempt would take the baseline of the last."""
    file = wiring.settings.contracts / f"{model}.yaml"
    document = yaml.safe_load(file.read_text())
    document["rollout"]["shadow_longest_seconds"] = 240 + number
    whole.write(file, yaml.safe_dump(document, sort_keys=False))
