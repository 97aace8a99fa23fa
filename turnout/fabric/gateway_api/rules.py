"""The rules of a model's HTTPRoute: where requests go at a weight.

    legacy     always there, matches everything: its cluster stays warm whatever happens
    shielded   there from the first weight on, matches what could be sent twice: legacy and the candidate's
               door by weight, and legacy again as the fallback of both

A rule that matches more closely goes first (Gateway API), so requests that are too large to be kept for a
second try, or of unknown size, stay on legacy. A rollback takes the candidate's door out of the second rule,
and nothing else has to move. No rule is ever taken away: Envoy learns of the end of its cluster before it
learns that no route leads there, and in between clients would get a 503.
"""

from turnout.domain.route import RoutePolicy
from turnout.fabric.gateway_api.place import ENVOY_GATEWAY, Object
from turnout.fabric.router.standing import Standing

LEGACY, SHIELDED = "legacy", "shielded"
MILLION = 1_000_000
"""Weights are counted in millionths: the largest that Gateway API takes."""
_WITHOUT_BODY = ("GET", "HEAD", "DELETE", "OPTIONS")


def legacy_backend(model: str) -> str:
    """Name of the Backend with a model's legacy servers."""
    return f"{model}-legacy"


def fallback_backend(model: str) -> str:
    """Name of the Backend with the same servers, asked when a first try fails."""
    return f"{model}-fallback"


def door_backend(model: str) -> str:
    """Name of the Backend that leads to the live attempt's candidate."""
    return f"{model}-door"


def rules(standing: Standing, policy: RoutePolicy, *, kept: bool = False) -> list[Object]:
    """The rules of a route.

    Args:
        standing: The state.
        policy: Of the live attempt, or of the model.
        kept: Whether the second rule is there already; without a weight it leads to legacy alone.
    """
    legacy = legacy_rule(standing.model)
    share = millionths(standing.weight)
    return [legacy, _shielded(standing.model, share, policy)] if share or kept else [legacy]


def is_shielded(route: Object) -> bool:
    """Whether a route has the second rule."""
    return any(rule.get("name") == SHIELDED for rule in route["spec"].get("rules", []))


def legacy_rule(model: str) -> Object:
    """The rule that matches everything, and leads to legacy."""
    return {
        "name": LEGACY,
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        "backendRefs": [_ref(legacy_backend(model), MILLION)],
    }


def millionths(weight: float) -> int:
    """A candidate's share as its Backend's weight."""
    return round(weight * MILLION)


def found(route: Object) -> int:
    """The candidate's share that a route gives, in millionths, whoever wrote it."""
    door = door_backend(route["metadata"]["name"])
    for rule in route["spec"].get("rules", []):
        shares = {ref["name"]: int(ref.get("weight", 1)) for ref in rule.get("backendRefs", [])}
        if shares.get(door):
            legacy = shares.get(legacy_backend(route["metadata"]["name"]), 0)
            return round(MILLION * shares[door] / (shares[door] + legacy))
    return 0


def _shielded(model: str, share: int, policy: RoutePolicy) -> Object:
    size = {"type": "RegularExpression", "name": "content-length", "value": up_to(policy.largest_body_bytes)}
    path = {"path": {"type": "PathPrefix", "value": "/"}}
    return {
        "name": SHIELDED,
        "matches": [*({**path, "method": one} for one in _WITHOUT_BODY), {**path, "headers": [size]}],
        "backendRefs": [
            _ref(legacy_backend(model), MILLION - share),
            *([_ref(door_backend(model), share)] if share else []),
            _ref(fallback_backend(model), 1),
        ],
    }


def _ref(name: str, weight: int) -> Object:
    return {"group": ENVOY_GATEWAY, "kind": "Backend", "name": name, "weight": weight}


def up_to(largest: int) -> str:
    """A regular expression of the decimal numbers from 0 to a largest one."""
    digits = str(largest)
    shorter = [f"[0-9]{{1,{len(digits) - 1}}}"] if len(digits) > 1 else []
    below = [
        f"{digits[:place]}[0-{int(digit) - 1}][0-9]{{{len(digits) - place - 1}}}"
        for place, digit in enumerate(digits)
        if digit != "0"
    ]
    return "|".join([*shorter, *below, digits])
