"""Triton on Kubernetes: a Deployment, its Services and its disruption budget."""

from runtimes.kubernetes import pods
from runtimes.kubernetes.pods import Object
from runtimes.kubernetes.served import Served
from turnout.domain.accelerators import AcceleratorKind
from turnout.domain.errors import UnsupportedError

PORTS = {"http": 8000, "grpc": 8001, "metrics": 8002}
START_SECONDS = 600
"""Large repositories are read from storage before the model is ready."""
_PERIOD_SECONDS = 5


def manifests(served: Served) -> tuple[Object, ...]:
    """Deployment, Services and PodDisruptionBudget of an attempt.

    The model is ready only once Triton has run the request that config.pbtxt has as its warm-up: a real
    inference, not a server that merely listens.

    Raises:
        UnsupportedError: On a TPU, or over several hosts.
    """
    if served.pool.kind is AcceleratorKind.TPU or served.assignment.hosts > 1:
        raise UnsupportedError(
            f"triton for {served.attempt}",
            observed=f"pool {served.pool.name}, {served.assignment.hosts} hosts a replica",
            limit="one host with GPUs, or with none", remedy="Place it anew.",
        )  # fmt: skip
    spec = pods.pod(served, _container(served), shared_memory=True)  # its Python backend talks through it
    return (
        pods.deployment(served, spec, start_seconds=START_SECONDS),
        pods.service(served, PORTS),
        pods.service_of_each(served, {"grpc": PORTS["grpc"]}),
        pods.disruption_budget(served),
    )


def _container(served: Served) -> Object:
    config = served.runtime_config
    model = config.get("model", served.assignment.model)
    ready = {"httpGet": {"path": f"/v2/models/{model}/ready", "port": "http"}}
    return {
        "name": "triton",
        "command": ["tritonserver"],
        "args": [
            f"--model-repository={pods.PACKAGE}/{config.get('repository', 'repository')}",
            "--model-control-mode=explicit", f"--load-model={model}", "--disable-auto-complete-config",
            f"--exit-timeout-secs={pods.GRACE_SECONDS - 10}",
            *(f"--{name}-port={port}" for name, port in PORTS.items()),
        ],
        "ports": [{"name": name, "containerPort": port} for name, port in PORTS.items()],
        "startupProbe": {**ready, "periodSeconds": _PERIOD_SECONDS,
                         "failureThreshold": START_SECONDS // _PERIOD_SECONDS},
        "readinessProbe": {**ready, "periodSeconds": _PERIOD_SECONDS},
        "livenessProbe": {"httpGet": {"path": "/v2/health/live", "port": "http"}, "failureThreshold": 6},
    }  # fmt: skip
