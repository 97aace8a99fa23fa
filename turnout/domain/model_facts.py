"""What is known of a language model, each fact with where it was read: annotations, arguments, its name.

Nothing is guessed: a fact that nobody wrote down is None. Called by `turnout.domain.demand`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from turnout.domain.workload import Workload

PARAMETERS = "turnout.dev/parameters"
FORMAT = "turnout.dev/dtype"
CONFIG = "turnout.dev/model-config"
CONTEXT = "turnout.dev/context-tokens"
CONCURRENCY = "turnout.dev/concurrency"

_SIZE = re.compile(
    r"(?<![A-Za-z0-9.])(?:(\d{1,3})x)?(\d{1,4}(?:\.\d{1,3})?)([bm])(?![a-z0-9])", re.IGNORECASE
)
_SCALE = {"b": 1e9, "m": 1e6}
_FORMATS = {
    "fp32": "float32", "float": "float32", "fp16": "float16", "half": "float16", "bf16": "bfloat16",
    "compressed-tensors": "", "auto": "", "awq_marlin": "awq", "gptq_marlin": "gptq", "fbgemm_fp8": "fp8",
    "w8a8": "int8",
}  # fmt: skip
"""Other names of number formats; empty: says nothing."""
_IN_NAMES = re.compile(r"(?<![a-z0-9])(awq|gptq|fp8|int8|w8a8|bf16|fp16)(?![a-z0-9])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fact:
    """A number with where it is from."""

    value: float
    source: str


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A language model as far as it is known.

    Attributes:
        parameters: How many.
        number_format: float32, float16, bfloat16, fp8, int8, awq, gptq, ...; None: not said.
        format_source: Where the format was read.
        config: The model's own config.json, as far as it was given.
        context_tokens: Longest sequence that is served.
        concurrency: Sequences at a time on one replica.
        parallel: Accelerators of one replica, as the owner set them.
        cache_format: Number format of the KV cache where it was set.
        utilisation: Share of the accelerators' memory that the engine may take, where it was set.
    """

    parameters: Fact | None = None
    number_format: str | None = None
    format_source: str = ""
    config: Mapping[str, Any] | None = None
    context_tokens: Fact | None = None
    concurrency: Fact | None = None
    parallel: Fact | None = None
    cache_format: str | None = None
    utilisation: Fact | None = None

    def of_config(self, *names: str) -> float | None:
        """A positive number of the config.json by the first of its names that is there."""
        for name in names:
            value = (self.config or {}).get(name)
            if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
                return float(value)
        return None


def model_facts(workload: Workload) -> ModelFacts:
    """Gather what a workload's annotations, arguments and names say."""
    marks, arguments = workload.annotations, _arguments(workload)
    config = _config(marks.get(CONFIG))
    names = [arguments.get(name, "") for name in ("model", "model_id", "model-id")]
    name = next(filter(None, (*names, workload.storage_uri)), "")
    number_format, format_source = _format(marks, arguments, config, name)
    facts = ModelFacts(config=config)
    own = facts.of_config("max_position_embeddings")
    return ModelFacts(
        parameters=_size(marks, name),
        number_format=number_format,
        format_source=format_source,
        config=config,
        context_tokens=_number(marks, CONTEXT)
        or _argument(arguments, "max-model-len")
        or (
            Fact(own, "max_position_embeddings, which vLLM takes where nothing else is said") if own else None
        ),
        concurrency=_concurrency(workload, arguments),
        parallel=_parallel(workload, arguments),
        cache_format=arguments.get("kv-cache-dtype"),
        utilisation=_argument(arguments, "gpu-memory-utilization"),
    )


def _arguments(workload: Workload) -> dict[str, str]:
    """The serving container's arguments, `--name=value` or `--name value`, under names with dashes."""
    words = workload.components[0].args if workload.components else ()
    found: dict[str, str] = {}
    for word, after in zip(words, [*words[1:], ""], strict=False):
        name, equals, value = word.removeprefix("--").partition("=")
        if word.startswith("--"):
            found[name.replace("_", "-")] = value if equals else "" if after.startswith("--") else after
    return found


def _config(text: str | None) -> Mapping[str, Any] | None:
    try:
        found = json.loads(text) if text else None
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    inner = found.get("text_config")  # of models that see as well as read
    return found | inner if isinstance(inner, dict) else found


def _size(marks: Mapping[str, str], name: str) -> Fact | None:
    """Parameters, as annotated (`8.03e9` or `8B`), else by the model's name."""
    said = marks.get(PARAMETERS, "")
    if re.fullmatch(r"\d{1,15}(\.\d{1,6})?(e\d{1,2})?", said):
        return Fact(float(said), f"annotation {PARAMETERS}")
    last = name.rpartition("/")[2]
    text, source = (said, f"annotation {PARAMETERS}") if said else (name, f"its name, {last}")
    if (match := _SIZE.search(text)) is None:
        return None
    experts, number, unit = match.groups()
    return Fact(float(experts or 1) * float(number) * _SCALE[unit.lower()], source)


def _format(
    marks: Mapping[str, str], arguments: Mapping[str, str], config: Mapping[str, Any] | None, name: str
) -> tuple[str | None, str]:
    """Quantisation before the plain format: it is what the weights are held in."""
    quantisation = (config or {}).get("quantization_config")
    method = quantisation.get("quant_method") if isinstance(quantisation, dict) else None
    in_name = _IN_NAMES.search(name.rsplit("/", maxsplit=1)[-1])
    said = (
        (marks.get(FORMAT), f"annotation {FORMAT}"),
        (arguments.get("quantization"), "argument --quantization"),
        (method, "quantization_config of its config.json"),
        (in_name.group(1) if in_name else None, "its name"),
        (arguments.get("dtype"), "argument --dtype"),
        ((config or {}).get("torch_dtype") or (config or {}).get("dtype"), "its config.json"),
    )
    for word, source in said:
        lower = word.lower().removeprefix("torch.") if isinstance(word, str) else ""
        if found := _FORMATS.get(lower, lower):
            return found, source
    return None, ""


def _number(marks: Mapping[str, str], mark: str) -> Fact | None:
    text = marks.get(mark, "")
    return Fact(float(text), f"annotation {mark}") if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text) else None


def _argument(arguments: Mapping[str, str], name: str) -> Fact | None:
    text = arguments.get(name, "").lower()
    thousands = re.fullmatch(r"(\d{1,6})k", text)
    if thousands:  # vLLM reads 32k as 32,000 and 32K as 32,768; the larger is safe
        return Fact(float(thousands.group(1)) * 1024, f"argument --{name}")
    number = re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text)
    return Fact(float(text), f"argument --{name}") if number and float(text) > 0 else None


def _concurrency(workload: Workload, arguments: Mapping[str, str]) -> Fact | None:
    """Sequences at a time: annotated, limited by the engine, or limited by KServe."""
    limit = workload.components[0].container_concurrency if workload.components else None
    return (
        _number(workload.annotations, CONCURRENCY)
        or _argument(arguments, "max-num-seqs")
        or (Fact(float(limit), "containerConcurrency") if limit else None)
    )


def _of_workers(workload: Workload, name: str) -> Fact | None:
    size = workload.extra.get(name)
    return Fact(float(size), f"workerSpec {name}") if isinstance(size, int) and size > 0 else None


def _parallel(workload: Workload, arguments: Mapping[str, str]) -> Fact | None:
    """Accelerators over which the model is split, by arguments or by KServe's workerSpec."""
    tensor, pipeline = (
        _argument(arguments, f"{way}-parallel-size") or _of_workers(workload, f"{way}_parallel_size")
        for way in ("tensor", "pipeline")
    )
    if tensor is None and pipeline is None:
        return None
    product = (tensor.value if tensor else 1) * (pipeline.value if pipeline else 1)
    return Fact(product, " and ".join(fact.source for fact in (tensor, pipeline) if fact))
