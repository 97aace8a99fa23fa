"""One vLLM server in the lab: on this machine's CPU, in the environment `vllm`."""

from pathlib import Path
from typing import Any

from runtimes.vllm import on_cpu
from runtimes.vllm.arguments import MODULE, arguments
from runtimes.vllm.engine import Engine, Place
from turnout.domain.server import ServerSpec

HOST_MEMORY_GIB = 2.0
"""What weights and cache of a lab's model may take: its machine is shared with everything else."""

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",  # the package is whole: nothing is fetched while it starts
    "VLLM_NO_USAGE_STATS": "1",
}


def place() -> Place:
    """This machine as the engine's settings see it."""
    return Place(memory_gib=HOST_MEMORY_GIB, dtype=on_cpu.DTYPE)


def spec(
    *,
    name: str,
    model: str,
    weights: Path,
    port: int,
    settings: Engine,
    asked: dict[str, Any],
    threads: int = 1,
) -> ServerSpec:
    """The server of one model.

    Args:
        name: Name of the server.
        model: Name that clients call the model by.
        weights: Folder with config, weights, tokenizer and chat template.
        port: Where it listens.
        settings: The engine's settings.
        asked: Further options of the package (`engine` of its configuration); the settings stand above them.
        threads: Threads that compute.
    """
    options = {**on_cpu.options(settings, asked), "host": "127.0.0.1"}
    return ServerSpec(
        name=name,
        environment="vllm",
        command=(
            "python",
            "-m",
            MODULE,
            *arguments(weights=str(weights), model=model, port=port, options=options),
        ),
        env={**ENVIRONMENT, **on_cpu.environment(threads)},
        ports=(port,),
        ready_url=f"http://127.0.0.1:{port}/health",
        stop_seconds=20.0,
    )
