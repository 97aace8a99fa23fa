"""Replicas, queues and resources of a Serve deployment, from what the KServe object declared. Pure.

KServe's defaults: https://github.com/kserve/kserve `pkg/apis/serving/v1beta1/component.go`; Ray Serve's
fields: https://docs.ray.io/en/latest/serve/autoscaling-guide.html
"""

import math
from typing import Any

from turnout.domain.quantity import amount
from turnout.domain.workload import Component

WINDOW_SECONDS = 60.0
"""Knative's stable window: how long the load has to be low before replicas go."""
PANIC_SHARE = 0.1
"""Knative's panic window, as a share of the stable one: how long it has to be high before replicas come."""
WINDOW = "autoscaling.knative.dev/window"
"""Annotation that sets another stable window."""

TARGET_ONGOING = 2.0
"""Ray Serve's own default, where nothing is declared (`AutoscalingConfig.target_ongoing_requests`)."""
UNLIMITED_ONGOING = 100
"""KServe's containerConcurrency 0 means no limit; Ray Serve wants a number."""
CPUS = 1.0
"""What a replica is taken to need where nothing is declared, as KServe's defaults ask for."""


def options(name: str, part: Component | None, annotations: dict[str, str]) -> dict[str, Any]:
    """The options of one deployment, as a Serve config writes them.

    Args:
        name: Name of the deployment.
        part: The predictor as found; None: nothing is known of it.
        annotations: The object's annotations.

    Returns:
        Replicas or `autoscaling_config`, `max_ongoing_requests`, the graceful time and the actor's CPUs.
    """
    part = part or Component(role="predictor", framework=None)
    target = _target(part)
    return {
        "name": name,
        **_replicas(part, target, _window(annotations)),
        "max_ongoing_requests": _most_ongoing(part, target),
        "graceful_shutdown_timeout_s": part.timeout_seconds or WINDOW_SECONDS,
        "ray_actor_options": {"num_cpus": _cpus(part)},
    }


def untranslated(part: Component | None) -> tuple[str, ...]:
    """What of the declared scaling has no counterpart, one line each."""
    if part is None:
        return ()
    told = []
    if part.scale_metric not in {None, "concurrency"}:
        target = f"{TARGET_ONGOING:g} ongoing requests a replica"
        told.append(f"it scaled by {part.scale_metric}; Ray Serve scales by ongoing requests: {target}")
    if part.autoscaling:
        told.append("its autoScaling (HPA or KEDA) has no counterpart in Ray Serve")
    if part.max_replicas is None and part.min_replicas is not None:
        told.append("it has no maxReplicas: the replicas stay at minReplicas")
    return tuple(told)


def _replicas(part: Component, target: float, window_seconds: float) -> dict[str, Any]:
    """A fixed number where nothing lets it change."""
    least = part.min_replicas if part.min_replicas is not None else 1
    most = max(part.max_replicas or least, least, 1)
    if least == most:
        return {"num_replicas": least}
    upscale = window_seconds * PANIC_SHARE
    scaling = {
        "min_replicas": least,
        "max_replicas": most,
        "initial_replicas": max(least, 1),
        "target_ongoing_requests": target,
        "upscale_delay_s": upscale,
        "downscale_delay_s": window_seconds,
        "look_back_period_s": upscale,
        "metrics_interval_s": min(1.0, upscale),
    }
    return {"autoscaling_config": scaling}


def _target(part: Component) -> float:
    if part.scale_metric in {None, "concurrency"} and part.scale_target:
        return float(part.scale_target)
    return TARGET_ONGOING


def _most_ongoing(part: Component, target: float) -> int:
    """What a replica takes at once; not below the target, or the target would never be seen."""
    return max(part.container_concurrency or UNLIMITED_ONGOING, math.ceil(target))


def _cpus(part: Component) -> float:
    declared = part.requests.get("cpu") or part.resources.get("cpu")
    return amount(declared) if declared else CPUS


def _window(annotations: dict[str, str]) -> float:
    """The stable window in seconds; Knative writes it as a Go duration of 6 s to 1 h."""
    text = annotations.get(WINDOW, "")
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    try:
        return float(text[:-1]) * units[text[-1:]]
    except (KeyError, ValueError):
        return WINDOW_SECONDS
