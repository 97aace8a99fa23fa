"""Arms are routes: each request falls to exactly one, by the shares that the route says."""

import json

from hypothesis import given
from hypothesis import strategies as st

from turnout.domain.requests import Arm
from turnout.domain.route import RoutePolicy
from turnout.fabric.router.route_document import parse, render
from turnout.fabric.router.route_name import parse as parse_name
from turnout.fabric.router.standing import Standing

SHARES = st.integers(0, 1000).map(lambda n: n / 1000)
WEIGHTS = st.integers(0, 950).map(lambda n: n / 1000)


def standing(weight: float = 0.3, capture_share: float = 0.4) -> Standing:
    """A route with a live attempt."""
    return Standing(model="iris", attempt="iris-7", number=3, weight=weight, capture_share=capture_share)


def routes(one: Standing, **policy) -> list[dict]:
    """The routes that Envoy would follow."""
    made = RoutePolicy(**policy)
    document = json.loads(render(one, legacy=made, candidate=made if one.attempt else None))
    return document["resources"][0]["virtual_hosts"][0]["routes"]


def chosen(made: list[dict]) -> dict[tuple[Arm, bool], float]:
    """Share of each arm and capture, chosen as Envoy does: by the first threshold above the number."""
    shares: dict[tuple[Arm, bool], float] = {}
    below = 0.0
    for route in made:
        if "headers" in route["match"]:
            continue  # not by chance: what could not be sent twice
        name = parse_name(route["name"])
        fraction = route["match"].get("runtime_fraction", {"default_value": {"numerator": 1_000_000}})
        threshold = fraction["default_value"]["numerator"] / 1_000_000
        key = (name.arm, name.captured)
        shares[key] = shares.get(key, 0.0) + max(0.0, threshold - below)
        below = max(below, threshold)
    assert below == 1.0
    return shares


@given(weight=WEIGHTS, capture=SHARES)
def test_shares_are_what_the_route_says(weight, capture):
    """Weight and capture share come out as set, capture alike on both arms, and nothing falls outside."""
    shares = chosen(routes(standing(weight, capture)))
    candidate = shares.get((Arm.CANDIDATE, True), 0) + shares.get((Arm.CANDIDATE, False), 0)
    captured = shares.get((Arm.CANDIDATE, True), 0) + shares.get((Arm.LEGACY, True), 0)
    assert abs(candidate - weight) < 1e-5
    assert abs(captured - capture) < 1e-5
    assert abs(shares.get((Arm.CANDIDATE, True), 0) - weight * capture) < 1e-5


@given(weight=WEIGHTS, capture=SHARES)
def test_the_document_carries_its_standing(weight, capture):
    """What was rendered is read back, so that the router's own file is the only copy."""
    one = standing(weight, capture)
    document = render(one, legacy=RoutePolicy(), candidate=RoutePolicy())
    assert parse(document) == one
    assert json.loads(document)["version_info"] == "iris-7.3"


def test_without_weight_no_route_leads_to_the_candidate():
    """A weight of 0 is not a threshold of 0: there is no such route."""
    clusters = {route["route"]["cluster"] for route in routes(standing(weight=0.0))}
    assert clusters == {"legacy/iris"}


def test_only_candidates_are_tried_again():
    """Legacy is sent to once; a failed candidate try goes on to legacy, within the client's time."""
    for route in routes(standing(), try_seconds=1.5, request_seconds=20, largest_body_bytes=77):
        name = parse_name(route["name"])
        assert route["route"]["timeout"] == "20.0s"
        assert ("retry_policy" in route["route"]) == (name.arm is Arm.CANDIDATE)
        assert route.get("request_body_buffer_limit") == (77 if name.arm is Arm.CANDIDATE else None)
        if name.arm is Arm.CANDIDATE:
            assert route["route"]["cluster"] == "shielded/iris-7"
            assert route["route"]["retry_policy"]["per_try_timeout"] == "1.5s"


def test_what_may_not_be_replayed_is_only_tried_again_unsent():
    """Side effects forbid every second try but that of a connection that was never made."""
    candidates = [one for one in routes(standing(), replayable=False) if "retry_policy" in one["route"]]
    assert candidates
    for route in candidates:
        assert route["route"]["retry_policy"]["retry_on"] == "connect-failure"
        assert "per_try_timeout" not in route["route"]["retry_policy"]
        assert "hedge_policy" not in route["route"]


def test_requests_beyond_the_limit_come_first_and_go_to_legacy():
    """What could not be sent twice never meets the thresholds."""
    beyond = [one for one in routes(standing(), largest_body_bytes=77) if "headers" in one["match"]]
    assert beyond == routes(standing(), largest_body_bytes=77)[:2]
    assert {one["route"]["cluster"] for one in beyond} == {"legacy/iris"}
    assert {parse_name(one["name"]).weight for one in beyond} == {0.0}
    assert beyond[0]["match"]["headers"][0]["range_match"]["start"] == 78


def test_only_captured_routes_reach_the_capture_service():
    """Capture is switched off on every other route."""
    for route in routes(standing()):
        disabled = (
            route.get("typed_per_filter_config", {}).get("envoy.filters.http.ext_proc", {}).get("disabled")
        )
        assert (disabled is True) == (not parse_name(route["name"]).captured)


def test_a_stream_has_no_limit_but_between_two_pieces():
    """Its whole may take as long as it takes; the try on the candidate keeps its limit to the first byte."""
    for route in routes(standing(), streaming=True, try_seconds=1.5, request_seconds=20):
        assert (route["route"]["timeout"], route["route"]["idle_timeout"]) == ("0s", "20.0s")
        if "retry_policy" in route["route"]:
            assert route["route"]["retry_policy"]["per_try_timeout"] == "1.5s"
