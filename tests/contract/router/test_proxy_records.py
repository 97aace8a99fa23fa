"""A real Envoy's records pass through a real receiver into the access log's reader.

Listener, route and cluster are those of test_door.py; the access logs, the listener's log options and the
route's metadata are what Envoy Gateway makes of EnvoyProxy, EnvoyPatchPolicy and HTTPRoute.
"""

import asyncio
import collections
import time
from functools import partial

import httpx
import pytest
import yaml

from tests.contract.router.test_door import Proxy, _address, _until, starting
from turnout.domain.requests import Arm
from turnout.domain.route import Backend, Registration
from turnout.fabric.environments import project_root
from turnout.fabric.gateway_api.completed import STATISTICS, counted
from turnout.fabric.gateway_api.told import KEY, told
from turnout.fabric.router import envoy_names
from turnout.fabric.router.standing import Standing
from turnout.fabric.state import State
from turnout.fabric.telemetry import SENT, AccessLog
from turnout.services.collector.inbox import Inbox
from turnout.services.collector.server import Server

SINK = "sentinel"
STAT = "turnout/n/iris"


def settings():
    """The access logs of the manifest that is installed."""
    text = (project_root() / "deployments/kubernetes/base/gateway.yaml").read_text()
    [proxy] = [one for one in yaml.safe_load_all(text) if one["kind"] == "EnvoyProxy"]
    return proxy["spec"]["telemetry"]["accessLog"]["settings"]


def access_log(setting):
    """One of them as Envoy Gateway translates it, with its patch."""
    [expression] = setting["matches"]
    match = {"@type": envoy_names.extension("access_loggers.filters.cel.v3.ExpressionFilter")}
    pod = {"k8s.pod.name": "pod-1"}
    values = [
        {"key": key, "value": {"string_value": value}}
        for key, value in (pod | setting["format"]["json"]).items()
    ]
    return {
        "name": "envoy.access_loggers.open_telemetry",
        "filter": {
            "extension_filter": {
                "name": "envoy.access_loggers.extension_filters.cel",
                "typed_config": {**match, "expression": expression},
            }
        },
        "typed_config": {
            "@type": envoy_names.extension("access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig"),
            "common_config": {
                "log_name": "otel_envoy_accesslog",
                "grpc_service": {"envoy_grpc": {"cluster_name": SINK}},
                "transport_api_version": "V3",
                "buffer_flush_interval": "0.1s",
            },
            "attributes": {"values": values},
        },
    }


class Telling(Proxy):
    """An Envoy with a door that tells of each request, and who receives it."""

    def __init__(self, folder, legacy, candidate, **more):
        """Receive, and start it."""
        self.state = State(folder / "state")
        self.inbox = Inbox(self.state, "n", {"iris"}.__contains__)
        self.server = Server(self.inbox, port=0)
        self.server.start()
        self.log, self.cursor = AccessLog(self.state, None, SENT), None
        super().__init__(folder, legacy, candidate, **more)

    def stop(self):
        """End both."""
        super().stop()
        self.server.stop()

    def read(self):
        """The requests that are new."""
        requests, self.cursor = self.log.read("iris", self.cursor)
        return requests

    def counts(self):
        """The proxy's own."""
        query = {"usedonly": "", "filter": STATISTICS}
        text = httpx.get(f"http://127.0.0.1:{self.admin}/stats/prometheus", params=query).text
        return counted(text, "n").get("iris", 0)


def route_metadata(port, capture_share=0.0):
    """What Envoy Gateway hands on of the HTTPRoute."""
    registration = Registration(model="iris", listen_port=port, stable=Backend(name="l", port=1))
    standing = Standing(model="iris", attempt="iris-1", number=2, weight=0.5, capture_share=capture_share)
    notes = {KEY: str(told(standing, registration))}
    resource = {"kind": "HTTPRoute", "name": "iris", "namespace": "n", "annotations": notes}
    resources = {"resources": [{**resource, "sectionName": "shielded"}]}
    return {"filter_metadata": {"envoy-gateway": resources}}


def configured(config, proxy, port):
    """What Envoy Gateway adds to the listener and its route."""
    front, whole_and_tries = config["static_resources"]["listeners"][0], settings()
    [manager] = [one["typed_config"] for one in front["filter_chains"][0]["filters"]]
    whole, tries = map(access_log, whole_and_tries)
    manager |= {
        "access_log": [whole],
        "access_log_options": {"access_log_flush_interval": "1s"},
        "use_remote_address": True,
    }
    *others, router = manager["http_filters"]
    options = {
        **router["typed_config"],
        "upstream_log": [tries],
        "upstream_log_options": {"flush_upstream_log_on_upstream_stream": True},
        "suppress_envoy_headers": True,
    }
    manager["http_filters"] = [*others, {**router, "typed_config": options}]
    [route] = manager["route_config"]["virtual_hosts"][0]["routes"]
    route |= {"metadata": route_metadata(port), "stat_prefix": STAT}
    h2 = envoy_names.extension("upstreams.http.v3.HttpProtocolOptions")
    sink = {"endpoint": {"address": _address("127.0.0.1", proxy.server.port)}}
    config["static_resources"]["clusters"].append(
        {
            "name": SINK,
            "connect_timeout": "1s",
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": h2,
                    "explicit_http_config": {"http2_protocol_options": {}},
                }
            },
            "load_assignment": {"cluster_name": SINK, "endpoints": [{"lb_endpoints": [sink]}]},
        }
    )
    config["node"] = {"id": "pod-1", "cluster": "front"}
    return config


@pytest.fixture
def telling(tmp_path, legacy, candidate):
    """Starts an Envoy that tells; it ends with the test."""
    with starting(partial(Telling, tmp_path, legacy, candidate, configured=configured)) as start:
        yield start


async def told_of(proxy, count, seconds=10):
    """The records, once as many ended ones are there; and how many there are of each kind."""
    found, began = {}, time.monotonic()
    while sum(one.duration_seconds is not None for one in found.values()) < count:
        assert time.monotonic() < began + seconds, f"{len(found)} of {count}; {proxy.inbox.tally}"
        await asyncio.sleep(0.05)
        found |= {one.request_id: one for one in proxy.read()}
    print(f"{count} records read {time.monotonic() - began:.2f} s after the last answer")
    kinds = collections.Counter(
        (one.arm, one.answered_by, "rescued" * one.rescued or "diverted" * one.diverted)
        for one in found.values()
    )
    return list(found.values()), kinds


async def test_each_request_is_told_once_with_its_arm(telling):
    """As many as were sent, and as the proxy counts; attempt, version, weight and times are there."""
    proxy = telling()
    await _until(proxy, "candidate")
    sent = proxy.counts()
    answers = await proxy.send(400)
    records, kinds = await told_of(proxy, sent + 400)
    assert len(records) == proxy.counts() == sent + 400
    assert proxy.inbox.tally.unreadable == proxy.inbox.tally.foreign == 0
    assert kinds[Arm.CANDIDATE, Arm.CANDIDATE, ""] >= answers["candidate", 200] > 100
    assert {one.attempt for one in records} == {"iris-1"}
    assert {(one.route_version, one.weight, one.status) for one in records} == {("iris-1.2", 0.5, 200)}
    assert all(one.first_byte_seconds and one.duration_seconds for one in records)
    assert all(abs(one.started_seconds - time.time()) < 60 for one in records)


async def test_a_failing_candidate_is_told_as_rescued(telling, candidate):
    """Each of its requests, once in the proxy's count although two servers answered."""
    proxy = telling()
    candidate.fault = "500"
    await _until_tried(proxy, candidate)
    sent = proxy.counts()
    candidate.served.clear()
    await proxy.send(200)
    records, kinds = await told_of(proxy, sent + 200)
    assert len(records) == proxy.counts() == sent + 200
    assert kinds[Arm.CANDIDATE, Arm.LEGACY, "rescued"] >= len(candidate.served) > 50


async def _until_tried(proxy, candidate):
    """Until the door is open."""
    for _ in range(100):
        await proxy.send(8)
        if candidate.served:
            return
    raise AssertionError("the candidate was never tried")


async def test_what_the_door_sends_to_nobody_is_told_as_diverted(telling, candidate):
    """Without the sentinel's word, the candidate is not charged with what it never got."""
    proxy = telling(armed=False)
    await proxy.send(200)
    records, kinds = await told_of(proxy, 200)
    assert not candidate.served
    assert kinds[Arm.CANDIDATE, Arm.LEGACY, "rescued"] == 0
    assert kinds[Arm.CANDIDATE, Arm.LEGACY, "diverted"] > 50
    assert len(records) == proxy.counts() == 200


async def test_a_killed_candidate_is_told_as_rescued(telling, candidate):
    """Nobody listens at its address: it was asked, and failed."""
    proxy = telling()
    await _until(proxy, "candidate")
    await told_of(proxy, proxy.counts())
    candidate.close()
    await proxy.send(80)
    _, kinds = await told_of(proxy, 80)
    assert kinds[Arm.CANDIDATE, Arm.LEGACY, "rescued"] > 10


async def test_requests_under_way_are_told_with_their_arms(telling, legacy, candidate):
    """Within two seconds of their start, long before they end; of both arms."""
    proxy = telling(try_seconds=8)
    await _until(proxy, "candidate")
    await told_of(proxy, proxy.counts())
    legacy.seconds = candidate.seconds = 4
    sending = asyncio.create_task(proxy.send(16))
    await asyncio.sleep(2)
    under_way = proxy.read()
    assert {(one.duration_seconds, one.first_byte_seconds) for one in under_way} == {(None, None)}
    assert len(under_way) == 4
    await sending
    records, _ = await told_of(proxy, 16, seconds=20)
    arms = {one.request_id: one.arm for one in records}
    assert all(arms[one.request_id] is one.arm for one in under_way)
