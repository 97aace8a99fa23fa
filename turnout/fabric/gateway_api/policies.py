"""The Backends and BackendTrafficPolicies of a model's route.

Backends, never Services: beside a Service the three become weighted clusters, and the fallback is out of
reach of a failed request (measured with Envoy Gateway 1.9.1: 1 to 2 % of requests failed; with Backends
alone, none).
"""

import ipaddress
from typing import Any

from turnout.domain.route import Backend, Registration, RoutePolicy
from turnout.fabric.gateway_api.place import ENVOY_GATEWAY, GATEWAY_API, Object, Place, metadata
from turnout.fabric.gateway_api.rules import (
    LEGACY,
    SHIELDED,
    door_backend,
    fallback_backend,
    legacy_backend,
)

_VERSION = f"{ENVOY_GATEWAY}/v1alpha1"
_PLENTY = 1_000_000
"""Circuit breakers: at Envoy's defaults (3 retries at once, 1,024 requests) they fail what retries save."""
_IDLE_SECONDS = 2.0
"""Connections idle longer are closed by the proxy: a server that closes one first fails a request."""
_LEGACY_ANSWERS_FOR = list(range(300, 500))
"""Answers besides 5xx that are asked for once more, at legacy (docs/adr/0002). Of legacy's own 4xx, too: both
arms are one cluster here, and a client's own error costs legacy one more cheap call."""
_COUNTED = {"metrics": {"routeStatName": "turnout/%ROUTE_NAMESPACE%/%ROUTE_NAME%"}}
"""Each proxy counts a model's answered requests under this name; `completed` reads them."""
NEVER_SENT = 597
"""What the door answers for a request that it has sent to nobody, because nobody vouches for the candidate.
No server gives this status; so a request with side effects, too, may safely be asked of legacy."""
NOT_REACHED = 598
"""The same where the candidate could not be reached: that is its own failure."""


def for_model(place: Place, registration: Registration) -> list[Object]:
    """What a registered model needs before any migration, in the order of their use."""
    model = registration.model
    stable = endpoint(registration.stable)
    return [
        _backend(place, model, legacy_backend(model), stable),
        _backend(place, model, fallback_backend(model), stable, fallback=True),
        _policy(place, model, LEGACY, _limits(registration.policy)),
    ]


def for_attempt(place: Place, registration: Registration, policy: RoutePolicy) -> list[Object]:
    """What a live attempt needs besides, and its door.

    Args:
        place: Where it lives.
        registration: The model.
        policy: Of the attempt.
    """
    model = registration.model
    shield = {"retry": _retry(policy), "requestBuffer": {"limit": str(policy.largest_body_bytes)}}
    return [
        _backend(place, model, door_backend(model), door_endpoint(registration)),
        _policy(place, model, SHIELDED, {**_limits(policy), **shield}),
    ]


def is_address(host: str) -> bool:
    """Whether a host is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def door_endpoint(registration: Registration) -> Object:
    """Where the proxy finds the candidate's door, in the proxy itself.

    Of the same kind as legacy's endpoint, for only then are both in one cluster: a name that every resolver
    has as loopback (RFC 6761), or a socket without a file.
    """
    if is_address(registration.stable.host):
        return {"unix": {"path": door_socket(registration.model)}}
    return {"fqdn": {"hostname": f"{registration.model}.localhost", "port": registration.listen_port}}


def door_socket(model: str) -> str:
    """Abstract socket of a model's door."""
    return f"@turnout/{model}"


def endpoint(backend: Backend) -> Object:
    """Where a Backend leads: an address, or a name that is resolved."""
    if is_address(backend.host):
        return {"ip": {"address": backend.host, "port": backend.port}}
    return {"fqdn": {"hostname": backend.host, "port": backend.port}}


def _backend(place: Place, model: str, name: str, endpoint: Object, *, fallback: bool = False) -> Object:
    spec: dict[str, Any] = {"endpoints": [endpoint]}
    if fallback:
        spec["fallback"] = True
    return {"apiVersion": _VERSION, "kind": "Backend", "metadata": metadata(place, model, name), "spec": spec}


def _policy(place: Place, model: str, rule: str, settings: Object) -> Object:
    target = {"group": GATEWAY_API, "kind": "HTTPRoute", "name": model, "sectionName": rule}
    return {
        "apiVersion": _VERSION,
        "kind": "BackendTrafficPolicy",
        "metadata": metadata(place, model, f"{model}-{rule}"),
        "spec": {"targetRefs": [target], "telemetry": _COUNTED, **settings},
    }


def _limits(policy: RoutePolicy) -> Object:
    """How long a client waits, and no limit of the proxy in the way of a rescue."""
    http = {"connectionIdleTimeout": duration(_IDLE_SECONDS)}
    if policy.streaming:
        http |= {"requestTimeout": "0s", "streamIdleTimeout": duration(policy.request_seconds)}
    else:
        http |= {"requestTimeout": duration(policy.request_seconds)}
    breakers = ("maxConnections", "maxPendingRequests", "maxParallelRequests", "maxParallelRetries")
    return {
        "timeout": {"tcp": {"connectTimeout": "1s"}, "http": http},
        "circuitBreaker": dict.fromkeys(breakers, _PLENTY),
    }


def _retry(policy: RoutePolicy) -> Object:
    """One more try, at the next priority: legacy. The limit of the first one is the door's business."""
    never_sent = ["connect-failure", "retriable-status-codes"]
    return {
        "numRetries": 1,
        "numAttemptsPerPriority": 1,
        "retryOn": {
            "triggers": ["5xx", "reset", *never_sent] if policy.replayable else never_sent,
            "httpStatusCodes": _LEGACY_ANSWERS_FOR if policy.replayable else [NEVER_SENT, NOT_REACHED],
        },
        "perRetry": {"backOff": {"baseInterval": "1ms", "maxInterval": "1ms"}},
    }


def duration(seconds: float) -> str:
    """A time as Gateway API writes it (GEP-2257): whole seconds and milliseconds."""
    whole, rest = divmod(round(seconds * 1000), 1000)
    return f"{whole}s{rest}ms" if rest and whole else f"{rest}ms" if rest else f"{whole}s"
