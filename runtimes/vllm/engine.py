"""vLLM's settings for one model on one place, worked out from its config.json and the memory there. Pure.

Used by the lab's server and by the Kubernetes manifests alike, so that both start the engine in one way.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from turnout.domain.errors import InvalidInputError
from turnout.domain.model_facts import Fact, ModelFacts
from turnout.domain.model_memory import BITS
from turnout.domain.quantity import GIB
from turnout.domain.weights import Sizing

MOST_SEQUENCES = 256
"""vLLM's own default for max_num_seqs."""

SHARE_OF_CONTEXT = 8
"""Sequences that share the room of one as long as the context: few requests are that long, and when the cache
runs out all the same, vLLM pauses the youngest (preemption) and fails none."""

BLOCK_TOKENS = 16
"""The cache is handed out in blocks of so many tokens; a context is whole blocks."""


class Place(BaseModel):
    """Where a replica runs.

    Attributes:
        memory_gib: Memory of each accelerator that weights and cache may take; on a CPU, of the host.
        tensor: Accelerators that each layer is split over.
        pipeline: Groups of accelerators that the layers are split over.
        dtype: Number format to compute in, where the place has a say (CPUs without AVX-512 are four times
            slower in bfloat16); None: the model's own.
    """

    model_config = ConfigDict(frozen=True)

    memory_gib: float
    tensor: int = 1
    pipeline: int = 1
    dtype: str | None = None


class Engine(BaseModel):
    """What vLLM is started with; names are those of its options.

    Attributes:
        dtype: Number format of weights and computation.
        max_model_len: Longest sequence, prompt and answer together, in tokens.
        max_num_seqs: Sequences in one step at most: the batch.
        kv_cache_gib: Room for keys and values, over all accelerators of the replica.
        tensor_parallel_size: See `Place`.
        pipeline_parallel_size: See `Place`.
    """

    model_config = ConfigDict(frozen=True)

    dtype: str
    max_model_len: int
    max_num_seqs: int
    kv_cache_gib: float
    tensor_parallel_size: int
    pipeline_parallel_size: int

    def options(self) -> dict[str, Any]:
        """The engine's own options, by their names in Python."""
        return self.model_dump(exclude={"kv_cache_gib"})


def settings(
    subject: str, config: Mapping[str, Any], weights_bytes: int, place: Place, asked: Mapping[str, Any]
) -> Engine:
    """Work the settings out.

    Args:
        subject: The model, for errors.
        config: Its config.json.
        weights_bytes: Size of its weight files.
        place: Where it runs.
        asked: What the owner set (`max_model_len`, `max_num_seqs`, `dtype`); it stands, where it fits.

    Raises:
        InvalidInputError: The weights leave no room there for one sequence, or the attention heads cannot be
            split over so many accelerators.
    """
    facts = ModelFacts(config=config, parameters=Fact(1.0, "weights"))
    _splits(subject, facts, place)
    own = str(config.get("dtype") or config.get("torch_dtype") or "bfloat16").removeprefix("torch.")
    dtype = str(asked.get("dtype") or place.dtype or own)
    room = _room_bytes(weights_bytes, own, dtype, place)
    each = _bytes_of_a_token(subject, facts, dtype)
    wanted = int(asked.get("max_model_len") or facts.of_config("max_position_embeddings") or 0)
    fits = int(room / each) // BLOCK_TOKENS * BLOCK_TOKENS
    if fits < BLOCK_TOKENS or (asked.get("max_model_len") and fits < wanted):
        raise _no_room(subject, place, room, each, wanted)
    length = min(wanted or fits, fits)
    together = max(1, int(fits / length * SHARE_OF_CONTEXT))
    return Engine(
        dtype=dtype,
        max_model_len=length,
        max_num_seqs=int(asked.get("max_num_seqs") or min(MOST_SEQUENCES, together)),
        kv_cache_gib=round(room / GIB, 3),
        tensor_parallel_size=place.tensor,
        pipeline_parallel_size=place.pipeline,
    )


def _room_bytes(weights_bytes: int, own: str, dtype: str, place: Place) -> float:
    """Memory that the weights and what they need to compute leave for keys and values."""
    grown = BITS.get(dtype, BITS["bfloat16"]) / BITS.get(own, BITS["bfloat16"]) if dtype != own else 1.0
    taken = weights_bytes * grown * (1 + Sizing().overhead_share)
    return place.memory_gib * GIB * place.tensor * place.pipeline - taken


def _bytes_of_a_token(subject: str, facts: ModelFacts, dtype: str) -> float:
    """Keys and values of one token: 2 x layers x KV heads x head size x bytes of a number."""
    layers = facts.of_config("num_hidden_layers")
    heads = facts.of_config("num_key_value_heads", "num_attention_heads")
    width, all_heads = facts.of_config("hidden_size"), facts.of_config("num_attention_heads")
    size = facts.of_config("head_dim") or (width / all_heads if width and all_heads else None)
    if not (layers and heads and size):
        raise InvalidInputError(
            f"config.json of {subject}",
            observed="layers, heads or their size are missing",
            limit="num_hidden_layers, num_attention_heads and hidden_size",
            remedy="Bring the model's own config.json.",
        )
    return 2 * layers * heads * size * BITS.get(dtype, BITS["bfloat16"]) / 8


def _splits(subject: str, facts: ModelFacts, place: Place) -> None:
    heads = facts.of_config("num_attention_heads")
    if heads and heads % place.tensor:
        raise InvalidInputError(
            f"vllm for {subject}",
            observed=f"{heads:g} attention heads over {place.tensor} accelerators",
            limit="a number of accelerators that divides the heads",
            remedy="Place it on another number of accelerators.",
        )


def _no_room(subject: str, place: Place, room: float, each: float, wanted: int) -> InvalidInputError:
    tokens = max(0, int(room / each))
    return InvalidInputError(
        f"vllm for {subject}",
        observed=f"room for {tokens} tokens of keys and values beside the weights",
        limit=f"{max(wanted, BLOCK_TOKENS)} tokens in {place.memory_gib:g} GiB on each of "
        f"{place.tensor * place.pipeline}",
        remedy="Place it where there is more memory, or ask for a shorter context.",
    )
