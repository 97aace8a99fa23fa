"""What vLLM takes on a CPU, in the lab and on Kubernetes alike. Pure."""

from collections.abc import Mapping
from typing import Any

from runtimes.vllm.engine import Engine
from turnout.domain.quantity import GIB

DTYPE = "float32"
"""Legacy computes in float32 on a CPU, and so does the candidate: fewer near ties tip over. A CPU without
AVX-512 is four times slower in bfloat16 besides."""


def options(settings: Engine, asked: Mapping[str, Any]) -> dict[str, Any]:
    """VLLM's options: what the package asks for, the settings above it, and what a CPU needs above both.

    Nothing is compiled: the image has no compiler, and a cache of keys and values that is not told takes its
    size from the whole machine's memory.
    """
    here = {"enforce_eager": True, "kv_cache_memory_bytes": int(settings.kv_cache_gib * GIB)}
    return {**asked, **settings.options(), **here}


def environment(threads: int) -> dict[str, str]:
    """Variables of its process.

    Args:
        threads: Threads that compute. They wait for each other at every step, so with more of them than free
            cores all are as slow as the one that gets its turn last.
    """
    return {
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # cores are shared, not owned
        "OMP_NUM_THREADS": str(threads),
        "TORCH_COMPILE_DISABLE": "1",  # the sampler is compiled even where everything is eager
    }
