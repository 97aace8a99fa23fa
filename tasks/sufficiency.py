"""Whether a phase's evidence is sufficient and sound: its tables, held against the owner's suites.

Called by `tasks.baseline`, `tasks.package` and `tasks.shadow`. A suite that is not met holds the phase.
"""

import time
from collections.abc import Sequence

from turnout.domain import default_suites
from turnout.domain.contract import Contract
from turnout.domain.document import Document
from turnout.domain.evidence import digest_of
from turnout.domain.expectations import Check, Evidenced, Suite, SuiteResult, Table
from turnout.fabric import suites
from turnout.wiring.migrating import Wiring

_AGAIN_SECONDS = 10.0
_GROWN = 1.1


class Sufficiency:
    """The suites of a phase, read once: what an owner edits meanwhile holds for the next run.

    Args:
        wiring: The adapters.
        contract: The model's contract.
        tables: Which tables the phase looks at.

    Raises:
        InvalidInputError: A suite's file is wrong; the message names file and line.
    """

    def __init__(self, wiring: Wiring, contract: Contract, tables: Sequence[Evidenced]) -> None:
        """Read the suites; those that are not there yet are written with their defaults."""
        self._wiring, self._contract = wiring, contract
        self._suites: dict[Evidenced, tuple[Suite, Document]] = {
            table: found
            for table in tables
            if (found := suites.load(wiring.settings.suites, contract, table)) is not None
        }

    @property
    def digest(self) -> str:
        """Digest of what is expected."""
        return digest_of(
            {str(table): suite.model_dump(mode="json") for table, (suite, _) in self._suites.items()}
        )

    def held(
        self, tables: Sequence[Table], *, run: str | None = None, captured: int = 0, distinct: int = 0
    ) -> list[SuiteResult]:
        """Hold tables against their suites.

        Args:
            tables: The tables; those without a suite are left out.
            run: Name of this run in the Data Docs; None: no page is written.
            captured: Usable captures so far.
            distinct: Distinct requests among them.

        Raises:
            InvalidInputError: An expectation cannot be used; file and line are named.
            TemporaryError: Great Expectations did not answer.
        """
        checks = [Check(table, *self._suites[table.name]) for table in tables if table.name in self._suites]
        parameters = default_suites.parameters(self._contract, captured=captured, distinct=distinct)
        return self._wiring.validator.validate(self._contract.model, checks, parameters, run=run)


class Pace:
    """Says when looking again is worth its cost: there is a tenth more, or some time has passed."""

    def __init__(self) -> None:
        """The first time is always worth it, where there is anything."""
        self._size, self._at = 0, time.monotonic()

    def due(self, size: int) -> bool:
        """Whether to look at material of this size now."""
        now = time.monotonic()
        if size <= self._size * _GROWN and now - self._at < _AGAIN_SECONDS:
            return False
        self._size, self._at = size, now
        return True
