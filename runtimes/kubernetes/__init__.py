"""What each runtime is on Kubernetes: manifests from an assignment and its pool, and what applies them.

The manifests are pure, so that they can be read, compared and put under version control before anything
happens; tests send every one of them through a real API server and a real scheduler. `deployed` applies them.
"""

from runtimes.kubernetes import ray_serve, triton, vllm
from runtimes.kubernetes.pods import Object
from runtimes.kubernetes.served import Served
from turnout.domain.errors import UnsupportedError
from turnout.domain.targets import TargetRuntime

__all__ = ["Object", "Served", "manifests"]


def manifests(served: Served) -> tuple[Object, ...]:
    """Everything that serves one attempt.

    Args:
        served: What is served, by what, where.

    Raises:
        InvalidInputError: The assignment is not one of the pool's.
        UnsupportedError: The runtime cannot do this there.
    """
    served.check()
    runtime = served.assignment.runtime
    if runtime is TargetRuntime.TRITON:
        return triton.manifests(served)
    if runtime is TargetRuntime.RAY_SERVE:
        return ray_serve.manifests(served, *ray_serve.applications(served))
    if runtime is TargetRuntime.VLLM and served.assignment.hosts == 1:
        return vllm.manifests(served)
    if runtime is TargetRuntime.VLLM:
        return ray_serve.manifests(served, vllm.application(served))
    raise UnsupportedError(
        served.attempt, observed=f"the runtime {runtime}", limit="a runtime with manifests",
        remedy="Choose another runtime.",
    )  # fmt: skip
