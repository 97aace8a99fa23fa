"""Envoy's configuration, rendered: bootstrap, listeners, clusters. Pure; routes are in `route_document`."""

import ipaddress
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from turnout.domain.evidence import digest_of
from turnout.domain.requests import UNDER_WAY_SECONDS, Arm
from turnout.domain.route import Backend, Opening, Registration
from turnout.fabric.router import envoy_names as names
from turnout.fabric.router.directory import CURRENT, DOCUMENT

HERE = "127.0.0.1"
_PLENTY = 1_000_000
"""Circuit breakers: at Envoy's defaults (3 retries at once, 1,024 requests) they fail what retries save."""
_IDLE_SECONDS = 2
"""Upstream connections idle longer are closed by us: uvicorn closes its own after 5 s, and a request sent at
that very moment would fail."""
_CHECK_SECONDS = 0.5
"""Between two checks of the sentinel's word."""


def bootstrap(*, admin_port: int, capture_port: int, folder: Path) -> dict[str, Any]:
    """What Envoy starts with; everything else it reads from files.

    Args:
        admin_port: TCP port of the admin interface.
        capture_port: TCP port of the shadow service's gRPC receiver.
        folder: Directory that holds `cds.json` and `lds.json`.

    Returns:
        Envoy's bootstrap as a JSON document.
    """
    return {
        "node": {"id": "turnout", "cluster": "turnout"},
        "admin": {"address": _address(HERE, admin_port)},
        "dynamic_resources": {
            "cds_config": {"path_config_source": {"path": str(folder / "cds.json")}},
            "lds_config": {"path_config_source": {"path": str(folder / "lds.json")}},
        },
        "static_resources": {"clusters": [_capture(capture_port)]},
        "stats_config": {"stats_tags": []},
    }


def clusters(
    registered: Iterable[Registration], openings: Iterable[Opening], *, sentinel: Backend
) -> dict[str, Any]:
    """The clusters of all models and attempts.

    Args:
        registered: Known models.
        openings: Attempts whose candidate the router should know.
        sentinel: Where candidates are health-checked: at who guards them, not at themselves.

    Returns:
        A DiscoveryResponse; its version is the digest of its content.
    """
    legacies = [_servers(names.legacy_cluster(one.model), one.stable, Arm.LEGACY) for one in registered]
    candidates = [cluster for one in openings for cluster in _candidate(one, sentinel)]
    return _response("envoy.config.cluster.v3.Cluster", [*legacies, *candidates])


def listeners(registered: Iterable[Registration], *, routes: Path, access: Path) -> dict[str, Any]:
    """One listener a model: its clients' address.

    Args:
        registered: Known models.
        routes: Directory with a folder a model.
        access: Directory of the access logs.

    Returns:
        A DiscoveryResponse; its version is the digest of its content.
    """
    made = [_listener(one, routes / one.model, access / f"{one.model}.jsonl") for one in registered]
    return _response("envoy.config.listener.v3.Listener", made)


def _response(kind: str, resources: Sequence[dict[str, Any]]) -> dict[str, Any]:
    typed = [{"@type": f"type.googleapis.com/{kind}", **resource} for resource in resources]
    return {"version_info": digest_of(typed)[:16], "resources": typed}


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _servers(name: str, backend: Backend, arm: Arm) -> dict[str, Any]:
    """A cluster of one backend; the arm is told with each answer, also where both arms share an address."""
    endpoint = {"endpoint": {"address": _address(backend.host, backend.port)}}
    endpoint["metadata"] = {"filter_metadata": {names.METADATA: {"arm": arm, "backend": backend.name}}}
    return {
        "name": name,
        "type": "STATIC" if _is_ip(backend.host) else "STRICT_DNS",
        "dns_lookup_family": "V4_PREFERRED",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": _upstream({"http_protocol_options": {}}),
        **_limits(),
    }


def guarded(opening: Opening, sentinel: Backend) -> dict[str, Any]:
    """The cluster of an attempt's candidate, which takes requests only while the sentinel vouches for it.

    Args:
        opening: The attempt.
        sentinel: Who vouches; its host an IP address, as Envoy resolves no names for health checks.
    """
    alone = _servers(names.candidate_cluster(opening.attempt), opening.candidate, Arm.CANDIDATE)
    [endpoint] = alone["load_assignment"]["endpoints"][0]["lb_endpoints"]
    endpoint["endpoint"]["health_check_config"] = {
        "address": _address(sentinel.host, sentinel.port),
        "hostname": sentinel.host,
    }
    alone["health_checks"] = [_armed(opening.attempt)]
    return alone


def _candidate(opening: Opening, sentinel: Backend) -> list[dict[str, Any]]:
    alone = guarded(opening, sentinel)
    shielded = {
        "name": names.shielded_cluster(opening.attempt),
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {
            "name": "envoy.clusters.aggregate",
            "typed_config": {
                "@type": names.extension("clusters.aggregate.v3.ClusterConfig"),
                "clusters": [alone["name"], names.legacy_cluster(opening.model)],
            },
        },
        **_limits(),
    }
    return [alone, shielded]


def _armed(attempt: str) -> dict[str, Any]:
    """The check that the sentinel guards this attempt: any answer but 200 diverts, and so do two silences."""
    return {
        "http_health_check": {"path": f"/armed/{attempt}"},
        "timeout": "1s",
        "interval": f"{_CHECK_SECONDS}s",
        "no_traffic_interval": f"{_CHECK_SECONDS}s",
        "no_traffic_healthy_interval": f"{_CHECK_SECONDS}s",
        "healthy_threshold": 1,
        "unhealthy_threshold": 2,
    }


def _limits() -> dict[str, Any]:
    kinds = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    raised = dict.fromkeys(kinds, _PLENTY)
    return {
        "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [{"priority": p, **raised} for p in ("DEFAULT", "HIGH")]},
        # Without this, Envoy sends to hosts that it knows to be unhealthy when too many are.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
    }


def _upstream(protocol: dict[str, Any], idle_seconds: float = _IDLE_SECONDS) -> dict[str, Any]:
    return {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": names.extension("upstreams.http.v3.HttpProtocolOptions"),
            "common_http_protocol_options": {"idle_timeout": f"{idle_seconds}s"},
            "explicit_http_config": protocol,
        }
    }


def _capture(port: int) -> dict[str, Any]:
    cluster = _servers(names.CAPTURE_CLUSTER, Backend(name="capture", host=HERE, port=port), Arm.LEGACY)
    return {**cluster, "typed_extension_protocol_options": _upstream({"http2_protocol_options": {}}, 3600)}


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _listener(registration: Registration, folder: Path, access_log: Path) -> dict[str, Any]:
    manager = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": _connections(registration.model, folder, access_log),
    }
    return {
        "name": registration.model,
        "address": _address(HERE, registration.listen_port),
        "filter_chains": [{"filters": [manager]}],
    }


def _connections(model: str, folder: Path, access_log: Path) -> dict[str, Any]:
    source = {
        "path": str(folder / CURRENT / DOCUMENT),
        # Any rename in the model's folder makes Envoy read again, through `current` as it points by then.
        "watched_directory": {"path": str(folder)},
    }
    return {
        "@type": names.extension("filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": model,
        "rds": {"route_config_name": model, "config_source": {"path_config_source": source}},
        "server_header_transformation": "PASS_THROUGH",
        "generate_request_id": False,
        "http_protocol_options": {"accept_http_10": True},
        "drain_timeout": "1s",
        "access_log_options": {
            "flush_access_log_on_new_request": True,
            "access_log_flush_interval": f"{UNDER_WAY_SECONDS}s",
        },
        "access_log": [
            _log(access_log, "DownstreamStart", _STARTED),
            _log(access_log, "DownstreamPeriodic", _STARTED | _ENDED),
            _log(access_log, "DownstreamEnd", _STARTED | _ENDED),
        ],
        "http_filters": [_capturing(), _ROUTER],
    }


_STARTED = {
    # One request at a time on a connection, and starts differ: unique, also when Envoy starts again.
    "id": "%CONNECTION_ID%-%START_TIME(%s%9f)%",
    "route": "%ROUTE_NAME%",
    "start": "%START_TIME(%s.%6f)%",
}
"""Of a request in flight: the route is chosen before this line is written."""

_ENDED = {
    "status": "%RESPONSE_CODE%",
    "duration_us": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    "first_byte_us": "%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:us)%",
    "duration_ms": "%DURATION%",
    "tries": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "arm": f"%UPSTREAM_METADATA({names.METADATA}:arm)%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
}


def _log(file: Path, kind: str, fields: dict[str, str]) -> dict[str, Any]:
    return {
        "name": "envoy.access_loggers.file",
        "filter": {"log_type_filter": {"types": [kind]}},
        "typed_config": {
            "@type": names.extension("access_loggers.file.v3.FileAccessLog"),
            "path": str(file),
            "log_format": {"json_format": {"type": kind, **fields}},
        },
    }


_ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {
        "@type": names.extension("filters.http.router.v3.Router"),
        "suppress_envoy_headers": True,
    },
}


def _capturing() -> dict[str, Any]:
    """Hands exchanges to the shadow service without waiting for it; routes switch it off for the others."""
    return {
        "name": names.CAPTURE_FILTER,
        "typed_config": {
            "@type": names.extension("filters.http.ext_proc.v3.ExternalProcessor"),
            "grpc_service": {"envoy_grpc": {"cluster_name": names.CAPTURE_CLUSTER}, "timeout": "1s"},
            "observability_mode": True,
            "failure_mode_allow": True,
            "deferred_close_timeout": "0.2s",
            "processing_mode": {
                "request_header_mode": "SEND",
                "response_header_mode": "SEND",
                "request_body_mode": "STREAMED",
                "response_body_mode": "STREAMED",
                "request_trailer_mode": "SKIP",
                "response_trailer_mode": "SKIP",
            },
            "request_attributes": ["xds.route_name", "request.time", "request.path", "request.method"],
            "response_attributes": [
                "xds.route_name",
                "xds.cluster_name",
                "xds.upstream_host_metadata",
                "upstream.address",
                "upstream.request_attempt_count",
                "response.code",
            ],
        },
    }
