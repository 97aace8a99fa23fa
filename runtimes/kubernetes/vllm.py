"""vLLM on Kubernetes: a Deployment where a replica fits on a host, else a Ray Serve application.

On a pool without accelerators it computes on the CPU, which does for small models: one host a replica, and
the pod's memory holds weights and cache.
"""

import json
from typing import Any

from runtimes.kubernetes import pods
from runtimes.kubernetes.pods import Object
from runtimes.kubernetes.served import Served
from runtimes.vllm import on_cpu, under_ray
from runtimes.vllm.arguments import EMBED, MODULE, arguments
from runtimes.vllm.engine import Place, settings
from turnout.domain.accelerators import AcceleratorKind
from turnout.domain.errors import InvalidInputError, UnsupportedError
from turnout.domain.model_memory import VLLM_GIB
from turnout.domain.weights import Sizing

PORT = 8000
START_SECONDS = 1800
"""Weights of tens of gigabytes are read, and kernels compiled, before the first token."""
_PERIOD_SECONDS = 10
_ASK_SECONDS = 120

_ASK = """
import json, urllib.request
body = json.dumps({"model": %(model)s, **%(request)s}).encode()
asked = urllib.request.Request("http://127.0.0.1:%(port)d/v1/%(path)s", body,
                               {"Content-Type": "application/json"})
assert json.load(urllib.request.urlopen(asked, timeout=%(seconds)d))["%(answer)s"]
"""
_TOKEN = {"path": "completions", "request": {"prompt": "1", "max_tokens": 1}, "answer": "choices"}
_VECTOR = {"path": "embeddings", "request": {"input": "1"}, "answer": "data"}


def manifests(served: Served) -> tuple[Object, ...]:
    """Deployment, Service and PodDisruptionBudget of an attempt whose replicas each fit on a host.

    A pod has started once it has answered a real request for a token or a vector; from then on its health is
    asked for.

    Raises:
        UnsupportedError: Over several MIG slices, or without accelerators on a pool that has some.
        InvalidInputError: The package does not say what a CPU needs to know, or does not fit there.
    """
    _check(served)
    spec = pods.pod(served, _container(served), shared_memory=True)
    return (
        pods.deployment(served, spec, start_seconds=START_SECONDS),
        pods.service(served, {"http": PORT}),
        pods.disruption_budget(served),
    )


def application(served: Served) -> Object:
    """The Ray Serve application that runs vLLM with each replica over several hosts.

    A TPU slice is one mesh: every chip takes a part of each tensor. GPUs of several hosts are joined by a
    slower network: tensors are split within a host, layers between hosts.

    Raises:
        UnsupportedError: On a pool without accelerators, or over several MIG slices.
    """
    _check(served)
    assigned, tpu = served.assignment, served.pool.kind is AcceleratorKind.TPU
    chips = assigned.accelerators
    bundle = {"CPU": 1, ("TPU" if tpu else "GPU"): chips if tpu else 1}
    split = {"tensor_parallel_size": chips * assigned.hosts if tpu else chips}
    if not tpu:
        split["pipeline_parallel_size"] = assigned.hosts
    tensor, pipeline = split["tensor_parallel_size"], split.get("pipeline_parallel_size", 1)
    return under_ray.application(
        name=served.name,
        model=assigned.model,
        weights=_weights(served),
        options=_options(served, tensor=tensor, pipeline=pipeline) | split,
        replicas={"num_replicas": assigned.replicas},
        bundles=[bundle] * (assigned.hosts if tpu else chips * assigned.hosts),
    )


def _check(served: Served) -> None:
    chips, hosts, pool = served.assignment.accelerators, served.assignment.hosts, served.pool
    if not chips and (pool.kind or hosts > 1):
        raise UnsupportedError(
            f"vllm for {served.attempt}", observed=f"no accelerators on {hosts} hosts of pool {pool.name}",
            limit="GPUs or TPUs, or one host of a pool that has none", remedy="Place it anew.",
        )  # fmt: skip
    if served.sliced and chips * hosts > 1:
        raise UnsupportedError(
            f"vllm for {served.attempt}", observed=f"{chips} of {pool.resource} on pool {pool.name}",
            limit="one MIG slice: slices cannot work together", remedy="Place it anew.",
        )  # fmt: skip


def _container(served: Served) -> Object:
    model = served.assignment.model
    pooling = served.runtime_config.get("engine", {}).get("runner") == EMBED["runner"]
    told = {"model": json.dumps(model), "port": PORT, "seconds": _ASK_SECONDS}
    ask = _ASK % (told | (_VECTOR if pooling else _TOKEN))
    healthy = {"httpGet": {"path": "/health", "port": "http"}}
    chips = served.assignment.accelerators
    options = _options(served, tensor=chips, pipeline=1) if chips else _options_of_a_cpu(served)
    return {
        "name": "vllm",
        "command": ["python3", "-m", MODULE],
        "args": list(arguments(weights=_weights(served), model=model, port=PORT, options=options)),
        "env": [{"name": name, "value": value} for name, value in _environment(served).items()],
        "ports": [{"name": "http", "containerPort": PORT}],
        "startupProbe": {"exec": {"command": ["python3", "-c", ask]}, "periodSeconds": _PERIOD_SECONDS,
                         "timeoutSeconds": _ASK_SECONDS,
                         "failureThreshold": START_SECONDS // _PERIOD_SECONDS},
        "readinessProbe": {**healthy, "periodSeconds": _PERIOD_SECONDS, "timeoutSeconds": 5},
        "livenessProbe": {**healthy, "failureThreshold": 6, "timeoutSeconds": 10},
    }  # fmt: skip


def _environment(served: Served) -> dict[str, str]:
    told = {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "LOGNAME": "vllm",  # torch asks for a name, and no image knows the pods' user by its number
    }
    cores = max(1, int(served.assignment.cpu))
    return told if served.assignment.accelerators else told | on_cpu.environment(cores)


def _weights(served: Served) -> str:
    return f"{pods.PACKAGE}/{served.runtime_config.get('weights', 'weights')}"


def _options(served: Served, *, tensor: int, pipeline: int) -> dict[str, Any]:
    """VLLM's options: what the package asks for, and what its model needs on these accelerators.

    A package that does not say what its model is like leaves the rest to vLLM's own defaults.
    """
    asked: dict[str, Any] = served.runtime_config.get("engine", {})
    config, size = (served.runtime_config.get(name) for name in ("model_config", "weights_bytes"))
    if config is None or size is None:
        return {"tensor_parallel_size": tensor, **asked}
    memory = served.pool.memory_of_each_gib * Sizing().memory_utilisation
    place = Place(memory_gib=memory, tensor=tensor, pipeline=pipeline)
    return {**asked, **settings(served.assignment.model, config, size, place, asked).options()}


def _options_of_a_cpu(served: Served) -> dict[str, Any]:
    """VLLM's options where weights and cache lie in the pod's own memory."""
    said, model = served.runtime_config, served.assignment.model
    asked, missing = said.get("engine", {}), {"model_config", "weights_bytes"} - said.keys()
    if missing:
        raise InvalidInputError(
            f"vllm for {served.attempt}", observed=f"no {min(missing)} in the package",
            limit="a package that says what its model is like: a CPU's memory is shared out beforehand",
            remedy="Package the model again.",
        )  # fmt: skip
    place = Place(memory_gib=served.assignment.memory_gib - VLLM_GIB, dtype=on_cpu.DTYPE)
    found = settings(model, said["model_config"], said["weights_bytes"], place, asked)
    return on_cpu.options(found, asked)
