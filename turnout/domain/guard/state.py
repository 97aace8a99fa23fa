"""What the guard remembers of one attempt: a few hundred bytes, saved and restored exactly."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from turnout.domain.errors import InvalidInputError
from turnout.domain.guard.bets import Floats
from turnout.domain.guard.block import Block
from turnout.domain.guard.tally import NOTHING, Tally

FORMAT = 3
"""Changes with every bet, prior or count: a wealth means nothing beside other bets than its own."""


@dataclass(frozen=True, slots=True, eq=False)
class GuardState:
    """The wealths and what they were counted from. Pure: `observe` returns a new one.

    Attributes:
        log_wealth: Log wealth of every bet, each with its prior share in it (see `Layout`).
        tally: What was looked at.
        breached: The signal that breached; stays.
        passed: Signals that have passed in this step.
    """

    log_wealth: Floats
    tally: Tally = NOTHING
    breached: str | None = None
    passed: tuple[str, ...] = ()

    @property
    def weight(self) -> float:
        """Weight of the step under way."""
        return self.tally.weight

    @property
    def looks(self) -> int:
        """Looks with both arms in play since the rollout began."""
        return self.tally.looks

    @property
    def step_looks(self) -> int:
        """Looks since the step began."""
        return self.tally.step_looks

    @property
    def step_legacy(self) -> int:
        """Requests of legacy since the step began."""
        return self.tally.step_legacy

    @property
    def step_candidate(self) -> int:
        """Requests for which the router chose the candidate since the step began, diverted ones included."""
        return self.tally.step_candidate

    def to_json(self) -> str:
        """Write the state as JSON; Python writes floats so that reading gives back the same bits."""
        document = {
            "format": FORMAT,
            "log_wealth": self.log_wealth.tolist(),
            "tally": asdict(self.tally),
            "breached": self.breached,
            "passed": self.passed,
        }
        return json.dumps(document, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "GuardState":
        """Read a state back.

        Raises:
            InvalidInputError: The text is not a state that `to_json` wrote.
        """
        try:
            document = json.loads(text)
            _check_format(document)
            wealth = np.array(document["log_wealth"], dtype=np.float64)
            tally = Tally(**{**document["tally"], "block": Block(**document["tally"]["block"])})
            return cls(wealth, tally, document["breached"], tuple(document["passed"]))
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidInputError(
                "guard state",
                observed=str(error),
                limit="a state written by this version",
                remedy="Roll the attempt back and start a new one: its evidence is lost.",
            ) from error


def _check_format(document: Any) -> None:
    written = document["format"]
    if written != FORMAT:
        raise ValueError(f"format {written!r}")
