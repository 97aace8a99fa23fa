"""How many replicas legacy keeps while a candidate takes its traffic, as patches of its InferenceService.

With every step of a canary legacy has less to do, and its autoscaler would let replicas go; a rollback would
then send everything to the few that are left (Argo Rollouts' users met that, #3372). So what legacy runs on
before a raise is its least from then on, until the attempt has ended; what its least was before stands in an
annotation. Pure.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

Object = dict[str, Any]

STOPPED = "serving.kserve.io/stop"
"""KServe's own annotation, from 0.16 on in both modes: the pods go, the object and its address stay."""
ROLES = ("predictor", "transformer", "explainer")


class LegacySize(Protocol):
    """Keeps legacy at the size that it has, and scales it down when its owner has retired it."""

    def pin(self, model: str) -> None:
        """See that legacy keeps what it runs on; harmless when it does.

        Raises:
            TemporaryError: Its replicas are not all ready, or somebody else writes to it at the same time.
        """

    def release(self, model: str) -> None:
        """Give its autoscaler its own least back; harmless when it has it."""

    def scales(self, model: str) -> bool:
        """Whether it can be scaled down from here."""

    def retire(self, model: str) -> None:
        """Scale legacy down to nothing; harmless when it is.

        Raises:
            TemporaryError: Somebody else writes to it at the same time.
        """

    def restore(self, model: str) -> None:
        """Bring legacy back to the size that it had, and wait until all of it is ready.

        Raises:
            TemporaryError: It was not ready in time.
        """


def full(service: Object, running: Mapping[str, int]) -> dict[str, int]:
    """How many replicas of each component are its full size: what runs, its own least, and one at least.

    Args:
        service: The InferenceService.
        running: Replicas that its autoscaler wants at this moment, by component.
    """
    found = {}
    for role, component in _components(service):
        size = max(component.get("minReplicas", 1), running.get(role, 0), 1)
        most = component.get("maxReplicas") or size  # 0 or none: without a bound
        found[role] = min(size, most)
    return found


def least(service: Object) -> dict[str, int | None]:
    """What each component of an InferenceService says is its least; None where it says nothing."""
    return {role: component.get("minReplicas") for role, component in _components(service)}


def pinning(service: Object, running: Mapping[str, int]) -> Object | None:
    """The merge patch that makes the full size the least; None where it is so already.

    A second pin never lowers the first one.
    """
    wanted = full(service, running)
    return None if wanted == least(service) else _leasts(service, wanted)


def stopping(service: Object, *, stopped: bool) -> Object | None:
    """The merge patch that stops an InferenceService or lets it run; None where it is so already."""
    now = (service["metadata"].get("annotations") or {}).get(STOPPED) == "true"
    if now == stopped:
        return None
    return _patch(service, {"annotations": {STOPPED: "true" if stopped else None}}, {})


def releasing(service: Object, before: Mapping[str, int | None]) -> Object | None:
    """The merge patch that gives each component its least from before back; None where it has it.

    Args:
        service: The InferenceService.
        before: What `least` said before it was pinned; components that are gone are left out.
    """
    now = least(service)
    wanted = {role: each for role, each in before.items() if role in now}
    return None if now | wanted == now else _leasts(service, wanted)


def _leasts(service: Object, leasts: Mapping[str, int | None]) -> Object:
    return _patch(service, {}, {role: {"minReplicas": each} for role, each in leasts.items()})


def _patch(service: Object, metadata: Object, spec: Object) -> Object:
    version = service["metadata"]["resourceVersion"]  # refused, if somebody has written meanwhile
    return {"metadata": {"resourceVersion": version, **metadata}, "spec": spec}


def _components(service: Object) -> Iterator[tuple[str, Object]]:
    yield from ((role, service["spec"][role]) for role in ROLES if service["spec"].get(role))
