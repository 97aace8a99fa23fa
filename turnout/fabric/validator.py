"""Great Expectations, asked through a process of its own (`turnout.fabric.validating`).

That process is started when a phase begins and loads while the phase waits; it is asked whenever there is
something to look at, ends with this one, and is started again where it died.
"""

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from turnout.domain.document import Document
from turnout.domain.errors import InvalidInputError, TemporaryError
from turnout.domain.expectations import Check, SuiteResult, Unmet
from turnout.fabric.state import State
from turnout.fabric.validating_request import Answer, Docs, Finding, Held, Request, Wrong

ANSWERS_WITHIN_SECONDS = 300.0
"""Loading takes 5 s of an idle core; at a low priority on a busy machine many times that."""
_LEAVES_WITHIN_SECONDS = 2.0


class GreatExpectations:
    """The real validator.

    Args:
        state: The state directory; the Data Docs are written below it.
    """

    def __init__(self, state: State, *, within_seconds: float = ANSWERS_WITHIN_SECONDS) -> None:
        """Start nothing yet."""
        self._state = state
        self._within_seconds = within_seconds
        self._child: _Child | None = None
        self._lock = threading.Lock()

    def warm(self) -> None:
        """Begin to load what it takes, without waiting for it."""
        with self._lock:
            self._alive()

    def validate(
        self, model: str, checks: Sequence[Check], parameters: dict[str, float], *, run: str | None = None
    ) -> list[SuiteResult]:
        """Hold each table against its suite; see `turnout.domain.expectations.Validator`."""
        site, kept = self._state.data_docs / model, self._state.work / "expectations" / model
        docs = Docs(site=str(site), kept=str(kept), run=run) if run else None
        held = tuple(_held(check) for check in checks)
        request = Request(model=model, held=held, parameters=parameters, docs=docs)
        with self._lock:
            answer = self._asked(request)
        if answer.wrong is not None:
            raise _refused(checks, answer.wrong)
        return [
            _result(self._state.data_docs, check, found)
            for check, found in zip(checks, answer.findings, strict=True)
        ]

    def close(self) -> None:
        """End the process; the next question starts it again."""
        with self._lock:
            if self._child is not None:
                self._child.end()
            self._child = None

    def _alive(self) -> "_Child":
        if self._child is None:
            log = self._state.log("expectations")
            log.parent.mkdir(parents=True, exist_ok=True)
            self._child = _Child(log)
        return self._child

    def _asked(self, request: Request) -> Answer:
        child = self._alive()
        try:
            return Answer.model_validate_json(child.ask(request.model_dump_json(), self._within_seconds))
        except (OSError, ValueError, queue.Empty) as error:
            tail = child.end()
            self._child = None
            raise TemporaryError(
                f"expectations of {request.model}",
                observed=f"Great Expectations gave no answer{f': {tail}' if tail else ''}",
                limit=f"an answer within {self._within_seconds:g} s",
                remedy=f"It is asked again; see {self._state.log('expectations')}.",
            ) from error


class _Child:
    """The process, its answers read by a thread so that one that hangs is not waited for without end."""

    def __init__(self, log: Path) -> None:
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "turnout.fabric.validating"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                env={**os.environ, "GX_ANALYTICS_ENABLED": "false"},
            )  # fmt: skip
        self._answers: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True, name="expectations")
        self._reader.start()

    def ask(self, request: str, within_seconds: float) -> str:
        _pipe(self._process.stdin).write(request + "\n")
        _pipe(self._process.stdin).flush()
        answer = self._answers.get(timeout=within_seconds)
        if not answer:
            raise OSError("it has ended")
        return answer

    def end(self) -> str:
        """End it, in its own way where it can; the last line that it wrote."""
        with suppress(OSError):
            _pipe(self._process.stdin).close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_LEAVES_WITHIN_SECONDS)
        self._process.kill()
        self._process.wait()
        self._reader.join()
        _pipe(self._process.stdout).close()
        with suppress(OSError):
            lines = self._log.read_text(errors="replace").splitlines()
            return lines[-1] if lines else ""
        return ""

    def _read(self) -> None:
        for line in _pipe(self._process.stdout):
            self._answers.put(line)
        self._answers.put("")


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise OSError("no pipe")
    return pipe


def _held(check: Check) -> Held:
    return Held(
        table=check.table.name,
        columns=check.table.columns,
        rows=tuple(tuple(row) for row in check.table.rows),
        expectations=tuple(one.model_dump(mode="json") for one in check.suite.expectations),
    )


def _result(docs: Path, check: Check, found: Finding) -> SuiteResult:
    page = Path(found.page).relative_to(docs).as_posix() if found.page else None
    return SuiteResult(
        suite=check.table.name,
        rows=len(check.table.rows),
        expectations=len(check.suite.expectations),
        unmet=tuple(_unmet(check, index, found.unmet[index]) for index in sorted(found.unmet)),
        page=page,
    )


def _unmet(check: Check, index: int, told: dict[str, object]) -> Unmet:
    expected = check.suite.expectations[index]
    column = expected.kwargs.get("column", expected.kwargs.get("column_A", ""))
    return Unmet.model_validate(
        {
            **told,
            "suite": check.table.name,
            "expectation": expected.type,
            "column": str(column),
            "where": _where(check.written, index),
        }
    )


def _refused(checks: Sequence[Check], wrong: Wrong) -> InvalidInputError:
    written = next(check.written for check in checks if check.table.name == wrong.table)
    place = ("expectations",) if wrong.index is None else ("expectations", wrong.index)
    return written.refuse(
        place, observed=wrong.observed, limit="an expectation of Great Expectations",
        remedy="Correct it there, or remove the file: its defaults are written anew (docs/expectations.md).",
    )  # fmt: skip


def _where(written: Document, index: int) -> str:
    return written.where(("expectations", index))
