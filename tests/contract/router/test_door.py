"""The candidate's door in a real Envoy, behind a cluster as Envoy Gateway makes it of an HTTPRoute.

The outer listener, route and cluster are what Envoy Gateway 1.9.1 translates the route's rules and policies
into, by its own test data; the door is the very resources of the EnvoyPatchPolicy. That Envoy Gateway really
hands both to its proxies is for tests where it runs.
"""

import asyncio
import collections
import contextlib
import io
import json
import subprocess
import time
from functools import partial

import aiohttp
import httpx
import pytest

from tests.contract.router.conftest import free_port
from tests.contract.router.tiny_servers import Word
from turnout.domain.route import Backend as Address
from turnout.domain.route import Opening, Registration, RoutePolicy
from turnout.fabric.environments import ensure
from turnout.fabric.gateway_api import policies
from turnout.fabric.gateway_api.door import door
from turnout.fabric.gateway_api.place import Place
from turnout.fabric.gateway_api.proxies import active_in
from turnout.fabric.router import envoy_names

ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": envoy_names.extension("filters.http.router.v3.Router")},
}


class Proxy:
    """One Envoy with a model's shielded rule and, unless it is refused, the candidate's door."""

    def __init__(self, folder, legacy, candidate, *, weight=0.5, with_door=True, configured=None, **policy):
        """Make its configuration, to which `configured` may add."""
        self.word = Word()
        self.port, self.admin = free_port(), free_port()
        policy = RoutePolicy(**{"try_seconds": 0.3, **policy})
        stable = Address(name="legacy", host="legacy.localhost", port=legacy.port)
        registration = Registration(model="iris", listen_port=free_port(), stable=stable)
        server = Address(name="candidate", port=candidate.port)
        opening = Opening(model="iris", attempt="iris-1", candidate=server, policy=policy)
        sentinel = Address(name="sentinel", port=self.word.port)
        patches = door(Place("n", "g"), registration, opening, sentinel)["spec"]["jsonPatches"]
        cluster, listener = (one["operation"]["value"] for one in patches)
        made = policies.for_attempt(Place("n", "g"), registration, policy)
        config = {
            "admin": {"address": _address("127.0.0.1", self.admin)},
            "static_resources": {
                "listeners": [_front(self.port, made[-1]["spec"]), *([listener] if with_door else [])],
                "clusters": [_rule(registration, weight), *([cluster] if with_door else [])],
            },
        }
        if configured:
            config = configured(config, self, registration.listen_port)
        (folder / "envoy.json").write_text(json.dumps(config))
        self.config = folder / "envoy.json"

    def start(self):
        """Start it, and wait until it is ready."""
        program = next((ensure("envoy") / "lib").glob("python*/site-packages/envoy/_bin/envoy"))
        command = [str(program), "-c", str(self.config), "--use-dynamic-base-id", "--log-level", "error"]
        self.process = subprocess.Popen([*command, "--concurrency", "1"])
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{self.admin}/ready", timeout=1).raise_for_status()
            except httpx.HTTPError:
                assert self.process.poll() is None, "Envoy ended at its start"
                assert time.monotonic() < deadline, "Envoy is not ready"
                time.sleep(0.05)
            else:
                return

    def stop(self):
        """End it."""
        self.process.kill()
        self.process.wait(10)
        self.word.close()

    async def send(self, count, body=b"{}"):
        """Send some requests; returns who answered, by status."""
        answers = collections.Counter()
        async with aiohttp.ClientSession() as session:

            async def client():
                for _ in range(count // 4):
                    async with session.post(
                        f"http://127.0.0.1:{self.port}/", data=io.BytesIO(body)
                    ) as response:
                        answers[(await response.json())["from"], response.status] += 1

            await asyncio.gather(*(client() for _ in range(4)))
        return answers


@contextlib.contextmanager
def starting(make):
    """Starts the Envoys that are made, each with settings of its own; they end with the block."""
    made = []

    def start(*, armed=True, **more):
        one = make(**more)
        made.append(one)
        if armed:
            one.word.armed.add("iris-1")
        one.start()
        return one

    try:
        yield start
    finally:
        for one in made:
            one.stop()


@pytest.fixture
def proxy(tmp_path, legacy, candidate):
    """Starts an Envoy with these settings; it ends with the test."""
    with starting(partial(Proxy, tmp_path, legacy, candidate)) as start:
        yield start


def _address(host, port):
    return {"socket_address": {"address": host, "port_value": port}}


def _seconds(text):
    return f"{float(text.removesuffix('ms')) / 1000}s" if text.endswith("ms") else text


def _front(port, shield):
    """The listener and route, with the retries and limits of the BackendTrafficPolicy."""
    retry = shield["retry"]
    backoff = {key: _seconds(value) for key, value in retry["perRetry"]["backOff"].items()}
    priorities = envoy_names.extension("retry.priority.previous_priorities.v3.PreviousPrioritiesConfig")
    action = {
        "cluster": "httproute/n/iris/rule/1",
        "timeout": shield["timeout"]["http"]["requestTimeout"],
        "retry_policy": {
            "num_retries": retry["numRetries"],
            "retry_on": ",".join(retry["retryOn"]["triggers"]),
            "retriable_status_codes": retry["retryOn"]["httpStatusCodes"],
            "retry_back_off": {
                "base_interval": backoff["baseInterval"],
                "max_interval": backoff["maxInterval"],
            },
            "retry_priority": {
                "name": "envoy.retry_priorities.previous_priorities",
                "typed_config": {"@type": priorities, "update_frequency": retry["numAttemptsPerPriority"]},
            },
        },
    }
    buffer = {
        "name": "envoy.filters.http.buffer",
        "typed_config": {
            "@type": envoy_names.extension("filters.http.buffer.v3.Buffer"),
            "max_request_bytes": int(shield["requestBuffer"]["limit"]),
        },
    }
    manager = {
        "@type": envoy_names.extension("filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "front",
        "route_config": {
            "virtual_hosts": [
                {"name": "x", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": action}]}
            ]
        },
        "http_filters": [buffer, ROUTER],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {
        "name": "front",
        "address": _address("127.0.0.1", port),
        "per_connection_buffer_limit_bytes": 32768,
        "filter_chains": [{"filters": filters}],
    }


def _rule(registration, weight):
    """The one cluster of a rule's three Backends: two by weight, the fallback at the next priority."""
    stable, within = registration.stable, policies.door_endpoint(registration)["fqdn"]
    backends = [
        (stable.host, stable.port, round(1e6 * (1 - weight)), 0),
        (within["hostname"], within["port"], round(1e6 * weight), 0),
        (stable.host, stable.port, 1, 1),
    ]
    localities = [
        {
            "locality": {"region": str(place)},
            "lb_endpoints": [{"endpoint": {"address": _address(host, port)}, "load_balancing_weight": 1}],
            "load_balancing_weight": share,
            "priority": priority,
        }
        for place, (host, port, share, priority) in enumerate(backends)
    ]
    name = "httproute/n/iris/rule/1"
    plenty = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), 10**6)
    return {
        "name": name,
        "type": "STRICT_DNS",
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": "1s",
        "per_connection_buffer_limit_bytes": 32768,
        "circuit_breakers": {"thresholds": [plenty]},
        "common_lb_config": {"locality_weighted_lb_config": {}},
        "load_assignment": {"cluster_name": name, "endpoints": localities},
    }


async def _until(proxy, who):
    """Until one arm alone, or the candidate at all, answers; returns the seconds that it took."""
    began = time.monotonic()
    while time.monotonic() < began + 20:
        answers = await proxy.send(20)
        assert {status for _, status in answers} == {200}
        if (who == "candidate") == bool(answers["candidate", 200]):
            return time.monotonic() - began
    raise AssertionError(f"{who} did not answer")


@pytest.mark.parametrize("fault", ["30%", "reset", "404", "429", "400", "307"])
async def test_legacy_answers_for_a_failing_candidate(proxy, candidate, fault):
    """However a candidate fails behind its door, clients get legacy's answer; shares fit the weight."""
    started = proxy()
    candidate.fault = fault
    answers = await started.send(400)
    assert {status for _, status in answers} == {200}
    assert abs(len(candidate.served) - 200) < 75


async def test_the_door_opens_by_the_sentinels_word(proxy, candidate):
    """Not armed: nothing. Armed: its share. The word is taken back, or nobody gives it: nothing again."""
    started = proxy(armed=False, weight=0.95)
    assert await started.send(60) == {("legacy", 200): 60}
    assert not candidate.served
    started.word.armed.add("iris-1")
    await _until(started, "candidate")
    started.word.armed.discard("iris-1")
    print(f"the word taken back: legacy alone after {await _until(started, 'legacy'):.2f} s")
    started.word.armed.add("iris-1")
    await _until(started, "candidate")
    started.word.close()
    print(f"the sentinel dead: legacy alone after {await _until(started, 'legacy'):.2f} s")
    candidate.served.clear()
    assert await started.send(60) == {("legacy", 200): 60}
    assert not candidate.served


async def test_without_its_patch_the_door_is_shut(proxy, candidate):
    """What goes wrong with the patch gives the candidate nothing, and fails nobody."""
    started = proxy(with_door=False, weight=0.95)
    assert await started.send(60) == {("legacy", 200): 60}
    assert not candidate.served


async def test_a_killed_candidate_is_not_noticed(proxy, candidate):
    """No connection to it, and those that there were broken: legacy answers."""
    started = proxy()
    await started.send(40)
    candidate.close()
    answers = await started.send(80)
    assert {status for _, status in answers} == {200}


async def test_a_hang_costs_one_try_and_a_slow_legacy_is_not_cut(proxy, legacy, candidate):
    """The limit of a first try holds for the candidate alone."""
    candidate.fault, legacy.seconds = "hang", 0.6
    began = time.monotonic()
    assert await proxy().send(8) == {("legacy", 200): 8}
    assert time.monotonic() - began < 20


async def test_the_proxy_counts_what_the_candidate_is_answering(proxy, candidate):
    """Its metrics tell the candidate's requests in flight apart from legacy's; another attempt has none."""
    started = proxy(weight=0.95, try_seconds=3)
    await _until(started, "candidate")
    candidate.served.clear()
    candidate.seconds = 1.5
    sending = asyncio.create_task(started.send(4))
    await asyncio.sleep(0.8)
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{started.admin}/stats/prometheus")).text
    await sending
    assert active_in(text, "iris-1") == len(candidate.served) > 0
    assert active_in(text, "iris-2") == active_in(text, "iris-11") == 0


async def test_large_bodies_are_sent_again(proxy, candidate):
    """A body of 3 MB, beyond each connection's buffer, reaches legacy whole after the candidate failed."""
    started = proxy()
    candidate.fault = "500"
    assert await started.send(16, b"x" * 3_000_000) == {("legacy", 200): 16}
    assert candidate.served


async def test_a_request_with_side_effects_is_sent_once(proxy, legacy, candidate):
    """A candidate's failure is the client's; where it is unguarded nobody had the request: legacy gets it."""
    started = proxy(replayable=False)
    candidate.fault = "500"
    answers = await started.send(60)
    assert answers["candidate", 500] == len(candidate.served) > 0
    assert len(legacy.served) == answers["legacy", 200]
    started.word.armed.clear()
    await asyncio.sleep(2.5)
    candidate.served.clear()
    assert await started.send(40) == {("legacy", 200): 40}
    assert not candidate.served
