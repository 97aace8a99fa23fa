"""A measured figure as the report tells it."""

from pydantic import BaseModel, ConfigDict


class Interval(BaseModel):
    """An estimate with its 95 % interval; `high` is None where there is no upper end, all without data."""

    model_config = ConfigDict(frozen=True)

    estimate: float | None = None
    low: float | None = None
    high: float | None = None
