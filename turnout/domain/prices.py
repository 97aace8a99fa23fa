"""What nodes cost, as the user says it. A price that is not said is unknown, never zero."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

_Usd = Annotated[float, Field(ge=0)]


class Prices(BaseModel):
    """The prices file.

    Attributes:
        pools: USD an hour for one node, by pool.
        instance_types: USD an hour for one node, by instance type; a pool's own price goes before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    pools: dict[str, _Usd] = Field(default_factory=dict)
    instance_types: dict[str, _Usd] = Field(default_factory=dict)

    def of(self, pool: str, instance_type: str | None) -> float | None:
        """Price of one node in USD an hour; None: unknown."""
        return self.pools.get(pool, self.instance_types.get(instance_type or ""))
