"""The candidate's door: the one way to it, open only while the sentinel vouches for its attempt.

Envoy Gateway's health checks hold for all backends of a route and ask each at its own address, so they cannot
ask the sentinel about one of them. The door is a listener inside the proxy, added beside what Envoy Gateway
made: the route's candidate Backend leads to it, and it leads to the candidate's cluster, which is
health-checked at the sentinel's `/armed/ATTEMPT`. Without the sentinel's word the door answers at once, and
the route's retry takes the request to legacy. A proxy that has no door (the patch was refused, or not there
yet) connects to nobody, with the same outcome: what could go wrong with the patch takes traffic from the
candidate and never gives it any.

It also counts the candidate's requests apart from legacy's, and limits the time of a first try alone.
"""

from typing import Any

from turnout.domain.route import Backend, Opening, Registration, RoutePolicy
from turnout.fabric.gateway_api.place import ENVOY_GATEWAY, GATEWAY_API, Object, Place, metadata
from turnout.fabric.gateway_api.policies import NEVER_SENT, NOT_REACHED, door_socket, is_address
from turnout.fabric.router import envoy_config, envoy_names

_CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
_LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
ATTEMPT = "turnout.dev/attempt"
"""Annotation of the door: whose it is."""


def door(place: Place, registration: Registration, opening: Opening, sentinel: Backend) -> Object:
    """The EnvoyPatchPolicy that adds an attempt's door to every proxy of the Gateway.

    Args:
        place: Where it lives.
        registration: The model.
        opening: The attempt.
        sentinel: Who vouches for it; its host an IP address that the proxies reach.
    """
    meta = metadata(place, registration.model, f"{registration.model}-door")
    cluster = envoy_config.guarded(opening, sentinel)
    return {
        "apiVersion": f"{ENVOY_GATEWAY}/v1alpha1",
        "kind": "EnvoyPatchPolicy",
        "metadata": {**meta, "annotations": {ATTEMPT: opening.attempt}},
        "spec": {
            "targetRef": {"group": GATEWAY_API, "kind": "Gateway", "name": place.gateway},
            "type": "JSONPatch",
            "jsonPatches": [_added(_CLUSTER, cluster), _added(_LISTENER, _listener(registration, opening))],
        },
    }


def _added(kind: str, resource: Object) -> Object:
    """A patch that adds a whole resource, and touches none that Envoy Gateway made."""
    operation = {"op": "add", "path": "", "value": resource}
    return {"type": kind, "name": resource["name"], "operation": operation}


def _listener(registration: Registration, opening: Opening) -> Object:
    filters = [
        {"name": "envoy.filters.network.http_connection_manager", "typed_config": _connections(opening)}
    ]
    return {
        "name": f"turnout/{registration.model}",
        "address": _address(registration),
        "filter_chains": [{"filters": filters}],
    }


def _address(registration: Registration) -> Object:
    if is_address(registration.stable.host):
        return {"pipe": {"path": door_socket(registration.model)}}
    return {"socket_address": {"address": envoy_config.HERE, "port_value": registration.listen_port}}


def _connections(opening: Opening) -> dict[str, Any]:
    return {
        "@type": envoy_names.extension("filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": f"turnout-{opening.model}",
        # A listener that came before its cluster would be refused, and that of the last attempt stay.
        "route_config": {
            "name": opening.attempt,
            "virtual_hosts": [_host(opening)],
            "validate_clusters": False,
        },
        "server_header_transformation": "PASS_THROUGH",
        "generate_request_id": False,
        "drain_timeout": "1s",
        "local_reply_config": {
            "mappers": [_answered(NEVER_SENT, "UH", "NC"), _answered(NOT_REACHED, "UF", "UO")]
        },
        "http_filters": [_ROUTER],
    }


def _host(opening: Opening) -> Object:
    """Everything to the candidate, once, for so long as one try may take."""
    action: Object = {
        "cluster": envoy_names.candidate_cluster(opening.attempt),
        "retry_policy": {"num_retries": 0, "per_try_timeout": f"{opening.policy.try_seconds}s"},
        **_whole(opening.policy),
    }
    return {"name": opening.model, "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": action}]}


def _whole(policy: RoutePolicy) -> Object:
    """For how long an answer that has begun may go on."""
    if policy.streaming:
        return {"timeout": "0s", "idle_timeout": f"{policy.request_seconds}s"}
    return {"timeout": f"{policy.request_seconds}s"}


def _answered(status: int, *flags: str) -> Object:
    """UH: nobody vouches for the candidate. UF: it could not be connected to. UO: too many requests."""
    return {"filter": {"response_flag_filter": {"flags": list(flags)}}, "status_code": status}


_ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {
        "@type": envoy_names.extension("filters.http.router.v3.Router"),
        "suppress_envoy_headers": True,
    },
}
