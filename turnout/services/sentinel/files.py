"""The sentinel's files: a record an attempt, the journal of looks, the account of a breach, the lock."""

import contextlib
import dataclasses
import fcntl
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import orjson

from turnout.domain.errors import RefusedError
from turnout.domain.looks import ArmCounts
from turnout.fabric.state import State
from turnout.services.lines import Lines
from turnout.services.sentinel.record import Ended, Record, TornError, sealed, unsealed
from turnout.services.sentinel.watch import Judged

LAST_BYTES = 256 * 1024
"""End of a journal that is held against the looks judged anew after a start: some minutes."""

_log = logging.getLogger(__name__)


class Files:
    """What the sentinel keeps below the state directory.

    Args:
        state: The state directory.
    """

    def __init__(self, state: State) -> None:
        """Begin with nothing written."""
        self._state = state
        self._lines = Lines()
        self._journalled: dict[str, frozenset[tuple[float, float]]] = {}
        self._lock: IO[str] | None = None

    def lock(self) -> None:
        """Be the only sentinel on this state; the kernel lifts the lock however the process ends.

        Raises:
            RefusedError: Another one is at work.
        """
        folder = self._folder()
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / "lock").open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            raise RefusedError(
                "sentinel",
                observed="another sentinel guards this state directory",
                limit="one",
                remedy=f"Stop the other one, or set another state directory than {self._state.root}.",
            ) from None
        self._lock = handle

    def unlock(self) -> None:
        """Let another sentinel take over."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def save(self, record: Record) -> None:
        """Put a record in the place of the one before, by a rename: after a kill there is one or the other.

        Not flushed to the disk each second: only a machine that loses power can tear it, and that is told by
        its checksum.

        Raises:
            OSError: The disk is full or not writable.
        """
        file = self._state.guard(record.attempt)
        staged = file.with_suffix(".tmp")
        staged.write_text(sealed(record))
        staged.replace(file)

    def load(self, attempt: str) -> Record | None:
        """Read an attempt's record; None where nothing was ever saved or journalled.

        Raises:
            TornError: There is one, or there was, but it cannot be read.
        """
        try:
            text = self._state.guard(attempt).read_text()
        except FileNotFoundError:
            if self._state.looks(attempt).exists():
                raise TornError("looks were journalled, but there is no record") from None
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise TornError(str(error)) from error
        return unsealed(text, attempt=attempt)

    def put_aside(self, attempt: str) -> None:
        """Keep a torn record, and the looks that go with it, for people to look into.

        Raises:
            OSError: The directory is not writable.
        """
        for file in (self._state.guard(attempt), self._state.looks(attempt)):
            if file.exists():
                file.replace(file.with_name(f"{file.name}.torn"))

    def attempts(self) -> list[str]:
        """Attempts that a record was saved of."""
        names = [f.name.removesuffix(".json") for f in self._folder().glob("*.json")]
        return sorted(name for name in names if "." not in name)

    def journal(self, attempt: str, looks: Sequence[Judged]) -> None:
        """Append looks as `turnout judge` reads them, each with the verdict after it; each look once.

        A sentinel that was killed between the journal and the record judges its last looks again, and one
        whose disk was full does not know which of them were written: both look at the end of the file.

        Raises:
            OSError: The disk is full or not writable.
        """
        file = self._state.looks(attempt)
        if attempt not in self._journalled:
            self._journalled[attempt] = _last_looks(file)
        known = self._journalled[attempt]
        new = [one for one in looks if (one.look.at_seconds, one.look.weight) not in known]
        try:
            if new:
                self._lines.append_encoded(file, b"".join(orjson.dumps(as_line(one)) + b"\n" for one in new))
        except OSError:
            del self._journalled[attempt]
            raise

    def account(self, record: Record, ended: Ended) -> None:
        """Write the account of a rollback by the sentinel, once.

        Raises:
            OSError: The disk is full or not writable.
        """
        file = self._state.guard(record.attempt).with_name(f"{record.attempt}.breach.json")
        if file.exists():
            return
        account = {
            **ended.model_dump(),
            "model": record.model,
            "attempt": record.attempt,
            "weight": record.weight,
            "looks": record.looks,
            "evidence": record.evidence,
        }
        staged = file.with_suffix(".tmp")
        staged.write_text(json.dumps(account) + "\n")
        staged.replace(file)

    def _folder(self) -> Path:
        return self._state.guard("any").parent


def _last_looks(file: Path) -> frozenset[tuple[float, float]]:
    """Second and weight of the looks at the end of a journal that an earlier process wrote."""
    if not file.exists():
        return frozenset()
    with file.open("rb") as source:
        source.seek(-min(file.stat().st_size, LAST_BYTES), os.SEEK_END)
        lines = source.read().splitlines()
    found = set()
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError):  # the first and the last may be cut
            look = json.loads(line)
            found.add((float(look["at"]), float(look["weight"])))
    return frozenset(found)


def as_line(judged: Judged) -> dict[str, Any]:
    """One line of the journal."""
    look, verdict = judged.look, judged.verdict
    return {
        "seconds": look.seconds,
        "weight": look.weight,
        "legacy": _counts(look.legacy, "requests", "errors", "slow", "slow_first"),
        "candidate": _counts(look.candidate, "requests", "errors", "slow", "slow_first", "rescued"),
        # Where answers are not compared there are none: `turnout judge` would take zeros for a signal.
        **({"pairs": dataclasses.asdict(look.pairs)} if "differs" in verdict.evidence else {}),
        "diverted": look.diverted,
        "at": look.at_seconds,
        "verdict": verdict.kind,
        "signal": verdict.signal,
        "evidence": verdict.evidence,
    }


def _counts(arm: ArmCounts, *names: str) -> dict[str, Any]:
    counts = {name: getattr(arm, name) for name in names}
    return {name: count for name, count in counts.items() if count is not None}
