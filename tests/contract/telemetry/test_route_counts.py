"""What a real Prometheus that scrapes a real Envoy tells of a route, held against Envoy's own access log."""

import asyncio
import signal
import time

import pytest

from tests.contract.router.conftest import (  # noqa: F401 -- fixtures
    candidate,
    legacy,
    model,
    own_proxy,
)
from tests.contract.router.test_router_traffic import Traffic
from turnout.domain.counters import Tally, take
from turnout.domain.requests import Arm
from turnout.fabric import route_counts

SCRAPE = """
scrape_configs:
  - job_name: envoy
    scrape_interval: 1s
    metrics_path: /stats/prometheus
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@pytest.fixture
def traffic(own_proxy, model, legacy, candidate):  # noqa: F811
    """A model with both servers behind an Envoy of this test's own."""
    return Traffic(own_proxy, model, legacy, candidate.port)


class Watched:
    """A tally that follows Prometheus."""

    def __init__(self, prometheus, traffic):
        """Begin now."""
        self.prometheus, self.traffic = prometheus, traffic
        self.tally = Tally(time.time())

    def look(self):
        """Take what Prometheus has."""
        found = route_counts.read(
            self.prometheus, self.traffic.model.name, self.traffic.attempt, at_seconds=time.time()
        )
        self.tally = take(take(self.tally, found), found)  # the same scrape twice changes nothing
        return {arm: route_counts.totals(self.tally, arm) for arm in Arm}

    async def until(self, requests):
        """Look until so many requests were told of."""
        deadline = time.monotonic() + 30
        while True:
            arms = await asyncio.to_thread(self.look)
            if sum(one.requests for one in arms.values()) >= requests:
                return arms
            assert time.monotonic() < deadline, arms
            await asyncio.sleep(0.3)


@pytest.mark.parametrize("fault", ["30%", "reset", "hang", "400"])
async def test_requests_are_counted_by_the_routes_choice(traffic, serve, candidate, fault):  # noqa: F811
    """A retry is no request of legacy's, a rescue is an error of the candidate: as the access log says."""
    await traffic.begin(0.5)
    watched = Watched(serve(config=SCRAPE.format(port=traffic.proxy.admin_port)), traffic)
    candidate.fault = fault
    assert {who[1] for who in await traffic.send(48, clients=8)} == {200}
    arms = await watched.until(48)
    records = traffic.records(48)
    chosen = [one for one in records if one.arm is Arm.CANDIDATE]
    told = arms[Arm.CANDIDATE]
    assert arms[Arm.LEGACY].requests == 48 - len(chosen)
    assert (arms[Arm.LEGACY].errors, arms[Arm.LEGACY].tried_again) == (0, 0)
    assert told.requests == len(chosen)
    assert told.rescued == told.errors == told.tried_again == sum(one.rescued for one in chosen) > 0


async def test_a_proxy_that_starts_again_takes_nothing_back(traffic, serve):
    """What Prometheus had of a killed Envoy stays counted; while nothing is scraped, nothing is added."""
    envoy = traffic.proxy
    await traffic.begin(0.5)
    watched = Watched(serve(config=SCRAPE.format(port=envoy.admin_port)), traffic)
    await traffic.send(40)
    before = await watched.until(40)
    heard = watched.tally.heard_seconds(f"127.0.0.1:{envoy.admin_port}")
    envoy.stop(signal.SIGKILL)
    await asyncio.sleep(2.5)
    assert await asyncio.to_thread(watched.look) == before
    assert watched.tally.heard_seconds(f"127.0.0.1:{envoy.admin_port}") - heard < 2.5
    await asyncio.to_thread(envoy.start)
    await traffic.send(20)
    after = await watched.until(60)
    assert sum(one.requests for one in after.values()) == 60
