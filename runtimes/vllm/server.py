"""One vLLM server in the lab: on this machine's CPU, in the environment `vllm`."""

from pathlib import Path
from typing import Any

from runtimes.vllm.arguments import MODULE, arguments
from runtimes.vllm.engine import Engine, Place
from turnout.domain.quantity import GIB
from turnout.domain.server import ServerSpec

HOST_MEMORY_GIB = 2.0
"""What weights and cache of a lab's model may take: its machine is shared with everything else."""

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",  # the package is whole: nothing is fetched while it starts
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # cores are shared, not owned
}


def place() -> Place:
    """This machine as the engine's settings see it.

    Legacy computes in float32 here, and so does the candidate: fewer near ties tip over. A CPU without
    AVX-512 is four times slower in bfloat16 besides.
    """
    return Place(memory_gib=HOST_MEMORY_GIB, dtype="float32")


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
        threads: Threads that compute. They wait for each other at every step, so with more of them than free
            cores all are as slow as the one that gets its turn last.
    """
    here = {
        "host": "127.0.0.1",
        "enforce_eager": True,
        "kv_cache_memory_bytes": int(settings.kv_cache_gib * GIB),
    }
    options = {**asked, **settings.options(), **here}
    return ServerSpec(
        name=name,
        environment="vllm",
        command=(
            "python",
            "-m",
            MODULE,
            *arguments(weights=str(weights), model=model, port=port, options=options),
        ),
        env={**ENVIRONMENT, "OMP_NUM_THREADS": str(threads)},
        ports=(port,),
        ready_url=f"http://127.0.0.1:{port}/health",
        stop_seconds=20.0,
    )
