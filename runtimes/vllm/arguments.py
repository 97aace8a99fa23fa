"""How vLLM's OpenAI server is started: one command line for the lab and for Kubernetes. Pure."""

from collections.abc import Mapping
from typing import Any

MODULE = "vllm.entrypoints.openai.api_server"
"""Started as a module: the command `vllm` looks for a distribution of that name; a CPU build has another."""

CLIENTS_ROOT = "/openai"
"""KServe's clients call /openai/v1/*. vLLM takes the prefix off itself and answers /v1/* likewise: both arms
of a route are called by the very same path, and legacy can answer a failed request as it is."""

PINNED = {"generation_config": "vllm", "root_path": CLIENTS_ROOT}
"""What every package asks for. Without the first, vLLM samples as the model's generation_config.json says
wherever a client says nothing, and another file would change the answers of unchanged clients."""

EMBED = {"runner": "pooling", "convert": "embed"}
"""What a package of embeddings asks for besides: vectors instead of tokens, pooled and brought to length as
the model's own modules.json says."""


def arguments(*, weights: str, model: str, port: int, options: Mapping[str, Any]) -> tuple[str, ...]:
    """The arguments behind `python -m`.

    Args:
        weights: Folder with config, weights, tokenizer and chat template.
        model: Name that clients call it by.
        port: TCP port.
        options: vLLM's options by their names in Python; True stands for a flag, False and None for nothing.
    """
    return (
        f"--model={weights}",
        f"--served-model-name={model}",
        f"--port={port}",
        *(word for name, value in options.items() for word in _option(name, value)),
    )


def _option(name: str, value: Any) -> tuple[str, ...]:
    if value is None or value is False:
        return ()
    flag = f"--{name.replace('_', '-')}"
    return (flag,) if value is True else (f"{flag}={value}",)
