"""A real Envoy hands exchanges on, as Envoy Gateway makes it of the EnvoyExtensionPolicy, to a real receiver.

The external processor's filter is what Envoy Gateway 1.9.1 translates the policy into, by its own code.
"""

import asyncio
import collections

import pytest

from tests.contract.router.test_door import Proxy, _address, _until, starting
from tests.contract.router.test_proxy_records import route_metadata
from turnout.domain.requests import Arm
from turnout.domain.route import Backend
from turnout.fabric import ports
from turnout.fabric.gateway_api.capturing import capture
from turnout.fabric.gateway_api.place import Place
from turnout.fabric.router import envoy_names
from turnout.services.shadow.receiver import Receiver, serve

SERVICE = "capture"


def processor(port):
    """The filter, and the cluster that it streams to."""
    *_, policy = capture(Place("n", "g"), "iris", Backend(name="shadow", port=port))
    [wanted] = policy["spec"]["extProc"]
    assert wanted["shadowMode"]
    assert wanted["failOpen"]
    mode = {f"{side}_header_mode": "SEND" for side in ("request", "response")}
    mode |= {f"{side}_body_mode": "STREAMED" for side in ("request", "response")}
    mode |= {f"{side}_trailer_mode": "SKIP" for side in ("request", "response")}
    config = {
        "@type": envoy_names.extension("filters.http.ext_proc.v3.ExternalProcessor"),
        "grpc_service": {"envoy_grpc": {"cluster_name": SERVICE}, "timeout": "10s"},
        "processing_mode": mode,
        "observability_mode": True,
        "failure_mode_allow": True,
        "request_attributes": wanted["processingMode"]["request"]["attributes"],
        "response_attributes": wanted["processingMode"]["response"]["attributes"],
    }
    h2 = {
        "@type": envoy_names.extension("upstreams.http.v3.HttpProtocolOptions"),
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    there = {"lb_endpoints": [{"endpoint": {"address": _address("127.0.0.1", port)}}]}
    cluster = {
        "name": SERVICE,
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": h2},
        "load_assignment": {"cluster_name": SERVICE, "endpoints": [there]},
    }
    name = "envoy.filters.http.ext_proc/envoyextensionpolicy/n/iris-capture/extproc/0"
    return {"name": name, "typed_config": config}, cluster


@pytest.fixture
def capturing(tmp_path, legacy, candidate):
    """Starts an Envoy whose exchanges are captured by a share; it ends with the test."""

    def make(share, port):
        def configured(config, _, door_port):
            handing, cluster = processor(port)
            front = config["static_resources"]["listeners"][0]
            manager = front["filter_chains"][0]["filters"][0]["typed_config"]
            manager["http_filters"].insert(0, handing)
            [route] = manager["route_config"]["virtual_hosts"][0]["routes"]
            route["metadata"] = route_metadata(door_port, capture_share=share)
            config["static_resources"]["clusters"].append(cluster)
            return config

        return Proxy(tmp_path, legacy, candidate, configured=configured)

    with starting(make) as start:
        yield start


async def test_exchanges_are_captured_with_their_arms(capturing, candidate):
    """Each whole, with who answered; where the candidate failed, its client's answer is told as legacy's."""
    exchanges, dropped, port = [], [], ports.pick()
    server = await serve(Receiver(exchanges.append, lambda *why: dropped.append(why)), port=port)
    proxy = await asyncio.to_thread(capturing, share=1.0, port=port)
    await _until(proxy, "candidate")
    await asyncio.sleep(1)
    exchanges.clear()
    answers = await proxy.send(80)
    candidate.fault = "500"
    await proxy.send(80)
    for _ in range(100):
        await asyncio.sleep(0.1)
        if len(exchanges) >= 160:
            break
    await server.stop(1)
    kinds = collections.Counter((one.origin.arm, one.origin.answered_by) for one in exchanges)
    print(kinds, dropped[:3])
    assert len(exchanges) == 160
    assert kinds[Arm.CANDIDATE, Arm.CANDIDATE] == answers["candidate", 200]
    assert kinds[Arm.CANDIDATE, Arm.LEGACY] > 10
    assert all(one.request == b"{}" and b"from" in one.response for one in exchanges)
    assert {(one.origin.model, one.origin.attempt) for one in exchanges} == {("iris", "iris-1")}


async def test_a_share_is_captured_and_no_client_waits(capturing):
    """About a quarter; with the service gone every client is answered all the same."""
    exchanges, port = [], ports.pick()
    server = await serve(Receiver(exchanges.append, lambda *_: None), port=port)
    proxy = await asyncio.to_thread(capturing, share=0.25, port=port)
    answers = await proxy.send(400)
    await asyncio.sleep(1)
    assert sum(answers.values()) == 400
    assert {status for _, status in answers} == {200}
    assert 60 < len(exchanges) < 140
    await server.stop(0)
    answers = await proxy.send(80)
    assert {status for _, status in answers} == {200}
