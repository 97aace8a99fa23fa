"""What an HTTPRoute becomes: rules and policies, without a server."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.domain.route import Backend, Opening, Registration, RouteChange, RoutePolicy, Tombstone
from turnout.fabric.gateway_api import deciding, door, policies, record, rules
from turnout.fabric.gateway_api.place import Place
from turnout.fabric.router.standing import Standing

PLACE = Place("turnout", "front", "http", "{model}.example.com")
IRIS = Registration(
    model="iris", listen_port=20001, stable=Backend(name="x", host="iris.models.svc.cluster.local", port=80)
)
OPENING = Opening(
    model="iris", attempt="iris-1", candidate=Backend(name="c", host="iris-1.turnout.svc", port=8000)
)
SENTINEL = Backend(name="sentinel", host="10.0.0.7", port=8000)


def of(kind: str, objects: list[dict]) -> dict[str, dict]:
    """The specs of one kind, by name."""
    return {one["metadata"]["name"]: one["spec"] for one in objects if one["kind"] == kind}


@settings(deadline=None)
@given(st.integers(1, 10**9), st.integers(0, 10**10))
def test_only_what_can_be_sent_twice_is_shielded(largest, size):
    """The expression takes exactly the sizes up to the largest one."""
    assert bool(re.fullmatch(rules.up_to(largest), str(size))) == (size <= largest)


@settings(deadline=None)
@given(st.floats(0, 0.95))
def test_the_share_of_the_rules_is_the_weight(weight):
    """To a millionth; legacy has the rest, and a weight of nought leaves no second rule."""
    made = rules.rules(Standing(model="iris", attempt="iris-1", weight=weight), RoutePolicy())
    route = {"metadata": {"name": "iris"}, "spec": {"rules": made}}
    assert rules.found(route) == rules.millionths(weight)
    assert abs(rules.found(route) - weight * rules.MILLION) <= 0.5
    assert (len(made) == 1) == (rules.found(route) == 0)
    assert made[0] == rules.legacy_rule("iris")


def test_after_a_rollback_both_rules_lead_to_legacy_alone():
    """A request whose first try failed meanwhile asks its rule again, which has no candidate any more."""
    before = rules.rules(Standing(model="iris", attempt="iris-1", weight=0.5), RoutePolicy())
    after = rules.rules(Standing(model="iris"), RoutePolicy(), kept=True)
    assert [rule["name"] for rule in after] == [rule["name"] for rule in before]
    assert [rule["matches"] for rule in after] == [rule["matches"] for rule in before]
    assert {ref["name"] for rule in after for ref in rule["backendRefs"]} == {"iris-legacy", "iris-fallback"}
    assert rules.found({"metadata": {"name": "iris"}, "spec": {"rules": after}}) == 0


def test_no_rule_is_ever_taken_away():
    """Neither at the end of an attempt, nor when the next one is opened, nor by registering again."""
    route = deciding.opening(deciding.found(PLACE, IRIS), OPENING)
    assert not rules.is_shielded(route)
    read = record.parse(route).version
    raised = deciding.change(
        route, RouteChange(model="iris", attempt="iris-1", read_version=read, weight=0.5)
    )
    patch = deciding.ending(
        raised, Tombstone(model="iris", attempt="iris-1", reason="errors", by="sentinel", at_seconds=1.0)
    )
    (after,) = [step["value"] for step in patch if step["path"] == "/spec/rules"]
    ended = deciding.found(PLACE, IRIS) | {"spec": {"rules": after}}
    opened = deciding.opening(ended, OPENING.model_copy(update={"attempt": "iris-2"}))
    moved = deciding.registered(opened, PLACE, IRIS.model_copy(update={"stable": SENTINEL}))
    for each in (raised, ended, opened, moved):
        assert [rule["name"] for rule in each["spec"]["rules"]] == ["legacy", "shielded"]
    for each in (ended, opened, moved):
        assert rules.found(each) == 0


def test_a_failed_try_is_legacys_next():
    """One more try at the next priority, where legacy stands alone; no limit of the proxy is in the way."""
    backends = of(
        "Backend", policies.for_model(PLACE, IRIS) + policies.for_attempt(PLACE, IRIS, RoutePolicy())
    )
    assert {name for name, spec in backends.items() if spec.get("fallback")} == {"iris-fallback"}
    assert backends["iris-fallback"]["endpoints"] == backends["iris-legacy"]["endpoints"]
    [shield] = of("BackendTrafficPolicy", policies.for_attempt(PLACE, IRIS, RoutePolicy())).values()
    assert shield["targetRefs"][0]["sectionName"] == "shielded"
    assert (shield["retry"]["numRetries"], shield["retry"]["numAttemptsPerPriority"]) == (1, 1)
    assert {"5xx", "reset", "connect-failure"} <= set(shield["retry"]["retryOn"]["triggers"])
    assert {400, 404, 429, 307} <= set(shield["retry"]["retryOn"]["httpStatusCodes"])
    assert min(shield["circuitBreaker"].values()) >= 100_000


def test_what_may_not_be_replayed_is_tried_again_only_where_nobody_had_it():
    """A closed door and a refused connection, and nothing that a server may have worked on."""
    once = RoutePolicy(replayable=False)
    [shield] = of("BackendTrafficPolicy", policies.for_attempt(PLACE, IRIS, once)).values()
    assert set(shield["retry"]["retryOn"]["triggers"]) == {"connect-failure", "retriable-status-codes"}
    assert shield["retry"]["retryOn"]["httpStatusCodes"] == [policies.NEVER_SENT, policies.NOT_REACHED]


def test_legacy_alone_is_never_asked_twice():
    """Without an attempt there is no retry: a failing legacy gets no second helping."""
    [limits] = of("BackendTrafficPolicy", policies.for_model(PLACE, IRIS)).values()
    assert limits["targetRefs"][0]["sectionName"] == "legacy"
    assert "retry" not in limits


def test_both_arms_are_named_or_both_have_addresses():
    """Of one kind of endpoint, or Envoy Gateway makes two clusters, the fallback out of reach."""
    at_address = IRIS.model_copy(update={"stable": Backend(name="x", host="10.1.2.3", port=80)})
    for registration, kinds in ((IRIS, {"fqdn"}), (at_address, {"ip", "unix"})):
        objects = policies.for_model(PLACE, registration) + policies.for_attempt(
            PLACE, registration, RoutePolicy()
        )
        backends = of("Backend", objects).values()
        assert {kind for spec in backends for kind in spec["endpoints"][0]} == kinds


def test_the_door_only_adds_and_opens_by_the_sentinels_word():
    """No resource of Envoy Gateway's is patched; the candidate is checked at the sentinel, with panic off."""
    made = door.door(PLACE, IRIS, OPENING, SENTINEL)
    patches = made["spec"]["jsonPatches"]
    assert {(one["operation"]["op"], one["operation"]["path"]) for one in patches} == {("add", "")}
    cluster, listener = (one["operation"]["value"] for one in patches)
    assert cluster["health_checks"][0]["http_health_check"]["path"] == "/armed/iris-1"
    assert cluster["common_lb_config"]["healthy_panic_threshold"] == {"value": 0}
    address = listener["address"]["socket_address"]
    assert (address["address"], address["port_value"]) == ("127.0.0.1", IRIS.listen_port)
    assert policies.door_endpoint(IRIS) == {"fqdn": {"hostname": "iris.localhost", "port": IRIS.listen_port}}


def test_a_door_may_come_before_its_candidate():
    """Envoy would refuse a listener whose cluster it does not know, and keep that of the last attempt."""
    [manager] = door._listener(IRIS, OPENING)["filter_chains"][0]["filters"]
    assert manager["typed_config"]["route_config"]["validate_clusters"] is False
    never_sent = manager["typed_config"]["local_reply_config"]["mappers"][0]
    assert "NC" in never_sent["filter"]["response_flag_filter"]["flags"]


def test_a_first_try_is_limited_at_the_door_alone():
    """A slow but sound legacy keeps the whole time of the request; a stream has no limit to its end."""
    slow = OPENING.model_copy(update={"policy": RoutePolicy(try_seconds=0.5, request_seconds=20)})
    [manager] = door._listener(IRIS, slow)["filter_chains"][0]["filters"]
    [route] = manager["typed_config"]["route_config"]["virtual_hosts"][0]["routes"]
    assert route["route"]["retry_policy"] == {"num_retries": 0, "per_try_timeout": "0.5s"}
    [shield] = of("BackendTrafficPolicy", policies.for_attempt(PLACE, IRIS, slow.policy)).values()
    assert shield["timeout"]["http"]["requestTimeout"] == "20s"
    assert "timeout" not in shield["retry"]["perRetry"]
    streams = RoutePolicy(streaming=True, request_seconds=20)
    [shield] = of("BackendTrafficPolicy", policies.for_attempt(PLACE, IRIS, streams)).values()
    assert shield["timeout"]["http"] == {
        "connectionIdleTimeout": "2s",
        "requestTimeout": "0s",
        "streamIdleTimeout": "20s",
    }


@settings(deadline=None)
@given(st.integers(1, 10**8))
def test_times_are_written_as_gateway_api_takes_them(milliseconds):
    """GEP-2257: whole numbers of seconds and milliseconds, at most five digits each."""
    text = policies.duration(milliseconds / 1000)
    assert re.fullmatch(r"([0-9]{1,6}s)?([0-9]{1,3}ms)?", text)
    seconds, rest = re.fullmatch(r"(?:(\d+)s)?(?:(\d+)ms)?", text).groups(default="0")
    assert int(seconds) * 1000 + int(rest) == milliseconds
