"""When waves may move: days between waves, and days on which nobody, or an owner, wants no change.

Written into the owners file, beside who owns what. `turnout.domain.schedule` puts models into waves by it.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Freeze(BaseModel):
    """Days on which nothing is moved, both ends included."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    first: dt.date = Field(alias="from")
    last: dt.date = Field(alias="until")
    why: str = ""

    @model_validator(mode="after")
    def _is_a_time(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"it ends ({self.last}) before it begins ({self.first})")
        return self

    def holds(self, day: dt.date) -> bool:
        """Whether the day is frozen."""
        return self.first <= day <= self.last

    def words(self) -> str:
        """The freeze for people."""
        return f"{self.first} to {self.last}" + (f", {self.why}" if self.why else "")


class Calendar(BaseModel):
    """Days of the waves.

    Attributes:
        first_wave: Day of the first wave; None: waves have no days, and freezes are not looked at.
        days_between_waves: Days from one wave to the next.
        most_models: Models that move in one wave at most; None: as many as may.
        freezes: Freezes of the whole estate.
        owners: Freezes of single owners, by owner.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_wave: dt.date | None = None
    days_between_waves: int = Field(default=7, ge=1)
    most_models: int | None = Field(default=None, ge=1)
    freezes: tuple[Freeze, ...] = ()
    owners: Mapping[str, tuple[Freeze, ...]] = Field(default_factory=dict)

    def day(self, wave: int) -> dt.date | None:
        """The day of a wave, from 1; None where waves have no days."""
        if self.first_wave is None:
            return None
        return self.first_wave + dt.timedelta(days=self.days_between_waves * (wave - 1))

    def freeze(self, owner: str | None, wave: int) -> Freeze | None:
        """The freeze that keeps an owner's models out of a wave, or None."""
        if (day := self.day(wave)) is None:
            return None
        own = self.owners.get(owner, ()) if owner else ()
        return next((one for one in (*self.freezes, *own) if one.holds(day)), None)
