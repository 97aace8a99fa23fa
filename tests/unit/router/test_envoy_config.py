from pathlib import Path

from turnout.domain.route import Backend, Opening, Registration
from turnout.fabric.router.envoy_config import bootstrap, clusters, listeners

SENTINEL = Backend(name="sentinel", host="127.0.0.1", port=7000)
IRIS = Registration(model="iris", listen_port=8000, stable=Backend(name="iris-legacy", port=8001))
OPENING = Opening(model="iris", attempt="iris-2", candidate=Backend(name="iris-2", port=8002))


def by_name(sentinel: Backend = SENTINEL, opening: Opening = OPENING) -> dict[str, dict]:
    """The clusters of one model with one attempt."""
    return {one["name"]: one for one in clusters([IRIS], [opening], sentinel=sentinel)["resources"]}


def test_a_candidate_is_checked_at_the_sentinel():
    """The candidate's own health counts for nothing: its traffic depends on who guards it."""
    candidate = by_name()["candidate/iris-2"]
    [endpoint] = candidate["load_assignment"]["endpoints"][0]["lb_endpoints"]
    checked_at = endpoint["endpoint"]["health_check_config"]["address"]["socket_address"]
    assert (checked_at["address"], checked_at["port_value"]) == ("127.0.0.1", 7000)
    assert endpoint["endpoint"]["address"]["socket_address"]["port_value"] == 8002
    [check] = candidate["health_checks"]
    assert check["http_health_check"]["path"] == "/armed/iris-2"
    assert check["interval"] == check["no_traffic_interval"]


def test_legacy_stands_behind_every_candidate_and_is_never_checked():
    """The fallback is there whatever a health check says."""
    made = by_name()
    assert made["shielded/iris-2"]["cluster_type"]["typed_config"]["clusters"] == [
        "candidate/iris-2",
        "legacy/iris",
    ]
    assert "health_checks" not in made["legacy/iris"]


def test_no_limit_of_envoy_stands_in_the_way_of_a_rescue():
    """Circuit breakers are raised and panic is off, on every cluster of a request."""
    for cluster in by_name().values():
        for threshold in cluster["circuit_breakers"]["thresholds"]:
            assert min(v for k, v in threshold.items() if k != "priority") >= 100_000
        assert cluster["common_lb_config"]["healthy_panic_threshold"] == {"value": 0}


def test_a_named_host_is_resolved():
    """A candidate may be named by a host name as well as by an address."""
    named = OPENING.model_copy(update={"candidate": Backend(name="x", host="triton.local", port=8000)})
    assert by_name()["candidate/iris-2"]["type"] == "STATIC"
    assert by_name(opening=named)["candidate/iris-2"]["type"] == "STRICT_DNS"


def test_versions_change_with_the_content_alone():
    """Publishing the same twice tells Envoy nothing new; a moved server does."""
    moved = OPENING.model_copy(update={"candidate": Backend(name="iris-2", port=8003)})
    first = clusters([IRIS], [OPENING], sentinel=SENTINEL)["version_info"]
    assert clusters([IRIS], [OPENING], sentinel=SENTINEL)["version_info"] == first
    assert clusters([IRIS], [moved], sentinel=SENTINEL)["version_info"] != first


def test_a_listener_follows_its_models_folder():
    """Each model has an address, a route and a log of its own, and is read again after any rename."""
    [listener] = listeners([IRIS], routes=Path("/s/routes"), access=Path("/s/access"))["resources"]
    assert listener["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 8000}
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    source = manager["rds"]["config_source"]["path_config_source"]
    assert source["path"] == "/s/routes/iris/current/route.json"
    assert source["watched_directory"] == {"path": "/s/routes/iris"}
    paths = {log["typed_config"]["path"] for log in manager["access_log"]}
    assert paths == {"/s/access/iris.jsonl"}
    assert manager["access_log_options"]["flush_access_log_on_new_request"] is True
    assert manager["http_filters"][0]["typed_config"]["observability_mode"] is True


def test_the_bootstrap_listens_on_this_machine_only():
    """The admin interface can end Envoy; nobody outside reaches it."""
    made = bootstrap(admin_port=9901, capture_port=9902, folder=Path("/s/envoy"))
    assert made["admin"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 9901}
    assert made["dynamic_resources"]["cds_config"]["path_config_source"]["path"] == "/s/envoy/cds.json"
