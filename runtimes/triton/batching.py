"""How Triton gathers requests into batches, and how its settings are chosen from what was measured. Pure."""

from pydantic import BaseModel, ConfigDict


class Batching(BaseModel):
    """Settings of the dynamic batcher.

    Attributes:
        queue_delay_microseconds: How long a request may wait for company. 0: what has gathered while the
            model was busy is batched, and nothing waits.
        preferred_batch_sizes: Rows at which a gathered batch is sent off before the delay is over.
    """

    model_config = ConfigDict(frozen=True)

    queue_delay_microseconds: int = 0
    preferred_batch_sizes: tuple[int, ...] = ()


AT_ONCE = Batching()
"""Nothing waits for company."""
