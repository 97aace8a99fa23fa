"""One route as the document that Envoy reads: arms are routes, chosen by chance (docs/adr/0002).

The document carries the standing it was rendered from, so that one rename changes both and what is read
back is the very file that Envoy follows.
"""

import json
from typing import Any

from turnout.domain.requests import Arm
from turnout.domain.route import RoutePolicy
from turnout.fabric.router import envoy_names as names
from turnout.fabric.router.route_name import RouteName
from turnout.fabric.router.standing import Standing

_MILLION = 1_000_000
_LEGACY_ANSWERS_FOR = list(range(300, 500))
"""Answers of a candidate that legacy gives in its place, besides 5xx, resets and hangs. A client's own error
(400, 422) is rejected by legacy likewise, at the cost of one cheap call; a candidate's wrong 4xx, throttling
(429), missing model (404) or redirect is never seen by a client."""


def render(standing: Standing, *, legacy: RoutePolicy, candidate: RoutePolicy | None) -> bytes:
    """Render the route.

    Args:
        standing: The state.
        legacy: Policy of the registered model.
        candidate: Policy of the live attempt, where there is one.

    Returns:
        An Envoy DiscoveryResponse with one RouteConfiguration, as JSON.
    """
    policy = candidate or legacy
    arms = _shared(standing, policy) if standing.weight > 0 else []
    configuration = {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": standing.model,
        "metadata": {"filter_metadata": {names.METADATA: standing.model_dump(mode="json")}},
        "virtual_hosts": [
            {"name": standing.model, "domains": ["*"], "routes": [*arms, *_legacy(standing, policy)]}
        ],
    }
    document = {"version_info": standing.version, "resources": [configuration]}
    return json.dumps(document, indent=1).encode()


def parse(document: bytes) -> Standing:
    """Read the standing back from a document."""
    configuration = json.loads(document)["resources"][0]
    return Standing.model_validate(configuration["metadata"]["filter_metadata"][names.METADATA])


def _shared(standing: Standing, policy: RoutePolicy) -> list[dict[str, Any]]:
    """The routes of requests that the candidate gets, after those that could not be shielded."""
    weight, captured = standing.weight, standing.weight * standing.capture_share
    return [
        *_unshielded(standing, policy),
        *_chosen(standing, policy, Arm.CANDIDATE, below=captured, captured=True),
        *_chosen(standing, policy, Arm.CANDIDATE, below=weight, captured=False),
    ]


def _legacy(standing: Standing, policy: RoutePolicy) -> list[dict[str, Any]]:
    below = standing.weight + (1 - standing.weight) * standing.capture_share
    everything = _route(standing, policy, Arm.LEGACY, match={"prefix": "/"}, captured=False)
    some = below if standing.capture_share > 0 else 0
    return [*_chosen(standing, policy, Arm.LEGACY, below=some, captured=True), everything]


def _chosen(
    standing: Standing, policy: RoutePolicy, arm: Arm, *, below: float, captured: bool
) -> list[dict[str, Any]]:
    """A route for requests whose one random number lies below a threshold (and not below an earlier one)."""
    numerator = round(below * _MILLION)
    if numerator == 0:
        return []
    chance = {"default_value": {"numerator": numerator, "denominator": "MILLION"}}
    match = {"prefix": "/", "runtime_fraction": chance}
    return [_route(standing, policy, arm, match=match, captured=captured)]


def _unshielded(standing: Standing, policy: RoutePolicy) -> list[dict[str, Any]]:
    """Requests too large to be sent twice, or of unknown size, go to legacy: nothing could save them."""
    beyond = {"range_match": {"start": policy.largest_body_bytes + 1, "end": 2**63 - 1}}
    with_body = {"string_match": {"safe_regex": {"regex": "POST|PUT|PATCH"}}}
    without_size = {"name": "content-length", "present_match": True, "invert_match": True}
    known = standing.model_copy(update={"weight": 0.0})
    return [
        _route(known, policy, Arm.LEGACY, match={"prefix": "/", "headers": headers}, captured=False)
        for headers in (
            [{"name": "content-length", **beyond}],
            [{"name": ":method", **with_body}, without_size],
        )
    ]


def _route(
    standing: Standing, policy: RoutePolicy, arm: Arm, *, match: dict[str, Any], captured: bool
) -> dict[str, Any]:
    name = RouteName(arm, standing.model, standing.attempt, standing.version, standing.weight, captured)
    action: dict[str, Any] = {
        "cluster": names.legacy_cluster(standing.model),
        **_time_limits(policy),
    }
    route: dict[str, Any] = {
        "name": str(name),
        "stat_prefix": names.counted_as(arm, standing.attempt),
        "match": match,
        "route": action,
    }
    if not captured:
        route["typed_per_filter_config"] = {names.CAPTURE_FILTER: _NOT_CAPTURED}
    if arm is Arm.CANDIDATE:
        action |= {"cluster": names.shielded_cluster(str(standing.attempt)), **_shield(policy)}
        route["request_body_buffer_limit"] = policy.largest_body_bytes
    return route


def _time_limits(policy: RoutePolicy) -> dict[str, Any]:
    """How long a client waits: for the whole answer, or for each piece of one that streams.

    Envoy's `timeout` ends with the last byte and would cut a long stream; its `idle_timeout` begins anew with
    each piece, the first included. The limit of one try holds until an answer has begun, whatever the model.
    """
    if policy.streaming:
        return {"timeout": "0s", "idle_timeout": f"{policy.request_seconds}s"}
    return {"timeout": f"{policy.request_seconds}s"}


_NOT_CAPTURED = {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute",
    "disabled": True,
}


def _shield(policy: RoutePolicy) -> dict[str, Any]:
    """What makes legacy answer for a failed candidate.

    Hedging keeps a try that is out of time alive until legacy has answered, and leaves legacy all the time
    that is left: without it the limit of one try would cut slow but sound legacy answers off.
    """
    retry: dict[str, Any] = {
        "num_retries": 1,
        "retry_on": "connect-failure",
        "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.001s"},
        "retry_priority": {
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": {
                "@type": names.extension("retry.priority.previous_priorities.v3.PreviousPrioritiesConfig"),
                "update_frequency": 1,
            },
        },
    }
    if not policy.replayable:
        return {"retry_policy": retry}
    retry |= {
        "retry_on": "5xx,connect-failure,reset,retriable-status-codes",
        "retriable_status_codes": _LEGACY_ANSWERS_FOR,
        "per_try_timeout": f"{policy.try_seconds}s",
    }
    return {"retry_policy": retry, "hedge_policy": {"hedge_on_per_try_timeout": True}}
