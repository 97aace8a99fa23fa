"""What only the real router can show: its files, its reports, and what it does while it is down."""

import asyncio
import os
import signal
import time

import httpx
import psutil
import pytest

from tests.contract.router.conftest import free_port
from tests.waiting import until
from turnout.domain.errors import TemporaryError
from turnout.domain.route import RouteChange
from turnout.fabric.router import envoy
from turnout.fabric.router.admin import EnvoyAdmin
from turnout.fabric.telemetry import AccessLog


def test_a_change_is_done_when_envoy_says_so(proxy, model):
    """Whatever a call returns, Envoy itself reports already."""
    router = proxy.router
    assert router.reported_version(model.name) is None
    assert router.register(model.registration).version == router.reported_version(model.name)
    route = router.open(model.opening())
    assert route.version == router.reported_version(model.name)
    change = RouteChange(model=model.name, attempt=route.attempt, read_version=route.version, weight=0.01)
    assert router.change(change).version == router.reported_version(model.name) == f"{route.attempt}.2"
    router.roll_back(model.name, route.attempt, reason="x", by="x")
    assert router.reported_version(model.name) == "legacy.1"


def test_clusters_of_old_attempts_are_dropped(proxy, model):
    """The last ended attempt may have requests on their way; those before it are gone from Envoy."""
    router = proxy.router
    router.register(model.registration)
    for number in (1, 2, 3):
        router.open(model.opening(number))
        if number < 3:
            router.roll_back(model.name, f"{model.name}-{number}", reason="next", by="x")
    known = router._admin.clusters().keys()
    assert {f"candidate/{model.name}-3", f"candidate/{model.name}-2"} <= known
    assert f"candidate/{model.name}-1" not in known


def test_a_named_candidate_is_resolved(proxy, model):
    """A host name is as good as an address, once the router has looked it up."""
    router = proxy.router
    router.register(model.registration)
    opening = model.opening()
    named = opening.candidate.model_copy(update={"host": "localhost"})
    assert router.open(opening.model_copy(update={"candidate": named})).candidate.host == "localhost"


def test_without_envoy_nothing_is_raised_but_everything_is_rolled_back(own_proxy, model):
    """A raise needs the router's word; the way back does not, nor does it wait long for a stopped router."""
    router = own_proxy.router
    router.register(model.registration)
    route = router.open(model.opening())
    own_proxy.signal(signal.SIGSTOP)
    begun = time.monotonic()
    change = RouteChange(model=model.name, attempt=route.attempt, read_version=route.version, weight=0.1)
    with pytest.raises(TemporaryError, match="Envoy"):
        router.change(change)
    assert router.roll_back(model.name, route.attempt, reason="stopped", by="x").reason == "stopped"
    print(f"a raise and a rollback beside a stopped router: {time.monotonic() - begun:.1f} s")
    own_proxy.signal(signal.SIGCONT)
    until(lambda: router.reported_version(model.name) == "legacy.1", "the router follows")


def test_models_are_there_before_the_router(own_proxy, model, legacy):
    """What was registered while the router was down is served when it starts, on other ports too."""
    own_proxy.stop(signal.SIGKILL)
    stable = model.registration.stable.model_copy(update={"port": legacy.port})
    own_proxy.router.register(model.registration.model_copy(update={"stable": stable}))
    own_proxy.admin_port = free_port()
    envoy.prepare(
        own_proxy.state,
        admin_port=own_proxy.admin_port,
        sentinel_port=own_proxy.word.port,
        capture_port=free_port(),
    )
    own_proxy.start()
    answer = httpx.get(f"http://127.0.0.1:{model.registration.listen_port}/")
    assert answer.json() == {"from": "legacy"}
    assert own_proxy.router.models() == [model.name]


async def test_the_log_keeps_up_with_the_routers_own_count(proxy, model, legacy):
    """Ended requests in the log are as many as the router says it has completed."""
    stable = model.registration.stable.model_copy(update={"port": legacy.port})
    await asyncio.to_thread(proxy.router.register, model.registration.model_copy(update={"stable": stable}))
    log = AccessLog(proxy.state, EnvoyAdmin(f"http://127.0.0.1:{proxy.admin_port}"))
    async with httpx.AsyncClient() as client:
        for _ in range(20):
            await client.post(f"http://127.0.0.1:{model.registration.listen_port}/", content=b"{}")
    cursor, deadline = None, time.monotonic() + 10
    while cursor is None or cursor.ended < 20:
        _, cursor = log.read(model.name, cursor)
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    assert cursor.ended == log.completed(model.name) == 20
    assert log.completed("nobody") is None


async def test_a_log_is_rotated_under_traffic_and_every_request_is_read_once(own_proxy, model, legacy):
    """Files are put aside and deleted while requests run: none is lost or read twice, the disk is bounded."""
    stable = model.registration.stable.model_copy(update={"port": legacy.port})
    registration = model.registration.model_copy(update={"stable": stable})
    await asyncio.to_thread(own_proxy.router.register, registration)
    log = AccessLog(own_proxy.state, EnvoyAdmin(f"http://127.0.0.1:{own_proxy.admin_port}"))
    cursor, seen = log.end(model.name), []
    async with httpx.AsyncClient() as client:
        for number in range(300):
            await client.post(f"http://127.0.0.1:{registration.listen_port}/", content=b"{}")
            if number % 20 == 0:
                records, cursor = log.read(model.name, cursor)
                seen += [one.request_id for one in records if one.duration_seconds is not None]
                log.rotate(model.name, readers=[cursor], largest_bytes=10_000, kept_bytes=10**9)
    deadline = time.monotonic() + 20
    while cursor.ended < 300:
        assert time.monotonic() < deadline
        records, cursor = log.read(model.name, cursor)
        seen += [one.request_id for one in records if one.duration_seconds is not None]
        await asyncio.sleep(0.05)
    assert len(set(seen)) == len(seen) == log.completed(model.name) == 300
    parts = sorted(own_proxy.state.access_log(model.name).parent.glob(f"{model.name}.jsonl.*"))
    assert len(parts) >= 3
    for part in parts:
        os.utime(part, (1, 1))  # long quiet
    log.rotate(model.name, readers=[cursor], kept_bytes=1)
    assert not [part for part in parts if part.exists()]
    assert log.read(model.name, cursor) == ([], cursor)


def test_no_envoy_outlives_what_runs_it(own_proxy):
    """Kill -9 of the runner alone, also between two epochs: every Envoy of it ends, and its port is free."""
    runner = psutil.Process(own_proxy.process.pid)
    os.kill(runner.pid, signal.SIGHUP)
    envoys = until(lambda: len(found := runner.children()) == 2 and found, "two epochs")
    runner.kill()
    _, living = psutil.wait_procs(envoys, timeout=10)
    assert not living
    own_proxy.process.wait(10)
    own_proxy.start()
