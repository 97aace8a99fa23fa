"""Attempts as the flows know them, and what is known of their course; small files, each written whole.

`STATE/attempts/ATTEMPT.json` is the attempt; beside it `STATE/attempts/ATTEMPT/` keeps its end, the hold put
on it, what it was last doing, its open ask, the canary's steps and what it takes to bring retired legacy
back; `runs/` says which attempt a run moves.
"""

from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from turnout.domain.attempt import Attempt, End, Hold, Outcome, Progress, Retirement, next_attempt
from turnout.domain.canary import StepResult
from turnout.domain.errors import NotFoundError
from turnout.domain.gate import Ask
from turnout.fabric import whole
from turnout.fabric.exclusive import exclusively
from turnout.fabric.once import create
from turnout.fabric.state import State

ANOTHER_RUN_SECONDS = 10.0
"""How long a run waits for another run that moves the same model."""

Record = TypeVar("Record", bound=BaseModel)


class AttemptFiles:
    """The attempts below a state directory."""

    def __init__(self, state: State) -> None:
        """Keep the attempts below a state directory."""
        self._root = state.attempts

    def new(self, model: str) -> Attempt:
        """Begin the next attempt of a model; two callers at once get two."""
        while True:
            attempt = next_attempt(model, [a.id for a in self.list(model)])
            if create(self._file(attempt.id), attempt.model_dump_json(indent=1)):
                return attempt

    def get(self, attempt: str) -> Attempt:
        """Return an attempt.

        Raises:
            NotFoundError: There is none of this id.
        """
        found = _read(self._file(attempt), Attempt)
        if found is None:
            raise NotFoundError(
                attempt,
                observed="no such attempt",
                limit="an attempt's id, MODEL-N",
                remedy="See `turnout status`.",
            )
        return found

    def list(self, model: str | None = None) -> list[Attempt]:
        """Return the attempts, of one model or of all, in the order of their numbers."""
        found = [Attempt.model_validate_json(file.read_bytes()) for file in self._root.glob("*.json")]
        return sorted((a for a in found if model in (None, a.model)), key=lambda a: (a.model, a.number))

    def current(self, model: str) -> Attempt | None:
        """Return the model's newest attempt unless it is over (one that is cut over lives on)."""
        newest = self.newest(model)
        end = newest and self.ended(newest.id)
        return None if end and end.outcome is not Outcome.CUT_OVER else newest

    def newest(self, model: str) -> Attempt | None:
        """Return the model's newest attempt, over or not."""
        found = self.list(model)
        return found[-1] if found else None

    def save(self, attempt: Attempt) -> None:
        """Keep a changed attempt."""
        whole.write(self._file(attempt.id), attempt.model_dump_json(indent=1))

    def end(self, attempt: str, end: End) -> None:
        """Keep what became of an attempt; a later word (a rollback after the cutover) takes its place."""
        self._put(attempt, "end", end)

    def ended(self, attempt: str) -> End | None:
        """Return what became of an attempt."""
        return _read(self._beside(attempt, "end"), End)

    def hold(self, attempt: str, hold: Hold | None) -> None:
        """Put a hold on an attempt; None lifts it."""
        self._put(attempt, "hold", hold)

    def held(self, attempt: str) -> Hold | None:
        """Return the hold that an attempt is under."""
        return _read(self._beside(attempt, "hold"), Hold)

    def note(self, attempt: str, progress: Progress) -> None:
        """Keep what an attempt is doing now."""
        self._put(attempt, "progress", progress)

    def progress(self, attempt: str) -> Progress | None:
        """Return what an attempt was last seen doing."""
        return _read(self._beside(attempt, "progress"), Progress)

    def ask(self, attempt: str, ask: Ask | None) -> None:
        """Keep the open ask of an attempt; None: it is settled."""
        self._put(attempt, "ask", ask)

    def asked(self, attempt: str) -> Ask | None:
        """Return the open ask of an attempt."""
        return _read(self._beside(attempt, "ask"), Ask)

    def retire(self, attempt: str, retirement: Retirement | None) -> None:
        """Keep whose place an attempt's servers have taken; None: it has its place back."""
        self._put(attempt, "retirement", retirement)

    def retirement(self, attempt: str) -> Retirement | None:
        """Return whose place an attempt's servers have taken."""
        return _read(self._beside(attempt, "retirement"), Retirement)

    def keep_step(self, attempt: str, step: StepResult) -> None:
        """Keep the numbers of a passed step of the canary."""
        whole.write(
            self._root / attempt / "steps" / f"{step.weight:.6f}.json", step.model_dump_json(indent=1)
        )

    def steps(self, attempt: str) -> tuple[StepResult, ...]:
        """Return the passed steps of an attempt's canary, by weight."""
        files = sorted((self._root / attempt / "steps").glob("[!.]*.json"))
        return tuple(StepResult.model_validate_json(file.read_bytes()) for file in files)

    def bind(self, run: str, attempt: str) -> str:
        """Bind a Prefect run to the one attempt that it moves, for good; returns the attempt bound."""
        file = self._root / "runs" / run
        create(file, attempt)
        return file.read_text()

    def bound(self, run: str) -> str | None:
        """Return the attempt that a run is bound to."""
        with suppress(FileNotFoundError):
            return (self._root / "runs" / run).read_text()
        return None

    def alone(self, model: str, run: str) -> AbstractContextManager[None]:
        """While the block lasts, only this run moves the model; another one is waited for a little.

        Raises:
            RefusedError: Another run moves it.
        """
        return exclusively(self._root / "locks" / model, f"run {run}", wait_seconds=ANOTHER_RUN_SECONDS)

    def _file(self, attempt: str) -> Path:
        return self._root / f"{attempt}.json"

    def _beside(self, attempt: str, name: str) -> Path:
        return self._root / attempt / f"{name}.json"

    def _put(self, attempt: str, name: str, record: BaseModel | None) -> None:
        file = self._beside(attempt, name)
        if record is None:
            file.unlink(missing_ok=True)
        else:
            whole.write(file, record.model_dump_json(indent=1))


def _read(file: Path, kind: type[Record]) -> Record | None:
    with suppress(FileNotFoundError):
        return kind.model_validate_json(file.read_bytes())
    return None
