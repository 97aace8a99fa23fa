"""Answers that stream: what has begun is never moved, what has not is shielded, what breaks is counted."""

import asyncio
import collections
import contextlib
import json
import subprocess
import time
from pathlib import Path

import aiohttp
import httpx
import pytest

from tests.contract.router.conftest import free_port
from tests.contract.router.streaming_servers import PIECES, Streamer
from tests.contract.router.test_router_traffic import Traffic
from turnout.domain import counting
from turnout.domain.contract import Bounds
from turnout.domain.outcomes import CountingRules, breaks_late, is_error, is_slow
from turnout.domain.requests import Arm
from turnout.domain.route import Backend as Address
from turnout.domain.route import RoutePolicy
from turnout.fabric.environments import ensure
from turnout.fabric.router.admin import EnvoyAdmin
from turnout.fabric.router.envoy_names import candidate_cluster
from turnout.fabric.telemetry import AccessLog

POLICY = {"streaming": True, "try_seconds": 0.5, "request_seconds": 2.0}
RULES = CountingRules.of(Bounds(slow_seconds=0.3), RoutePolicy(**POLICY))
WHOLE = [*range(PIECES), "[DONE]"]


class Streams(Traffic):
    """A model that streams, behind the router."""

    def __init__(self, proxy, model, legacy_port, candidate_port):
        """Register it as one that streams."""
        super().__init__(proxy, model, Address(name="legacy", port=legacy_port), candidate_port)
        self.registration = self.registration.model_copy(update={"policy": RoutePolicy(**POLICY)})

    async def stream(self, begun=None, *, tokens=PIECES):
        """One client: who answered, the tokens that came, and whether the answer broke off."""
        who, came = set(), []
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.post(self.url, json={"instances": [tokens]}) as response,
            ):
                if response.status != 200:
                    return None, [], True
                async for line in response.content:
                    if not line.startswith(b"data: "):
                        continue
                    said = line.removeprefix(b"data: ").strip().decode()
                    piece = None if said == "[DONE]" else json.loads(said)
                    who |= {piece["from"]} if piece else set()
                    came.append(piece["token"] if piece else said)
                    if begun is not None and len(came) == 1:
                        begun.release()
        except aiohttp.ClientError:
            return who, came, True
        return who, came, False

    async def streams(self, count):
        """So many clients at once."""
        return await asyncio.gather(*(self.stream() for _ in range(count)))


@pytest.fixture
def candidate():
    """A candidate that streams."""
    server = Streamer("candidate")
    yield server
    server.close()


@pytest.fixture
def streams(proxy, model, candidate):
    """A model that streams, its two servers behind the router that all tests share."""
    legacy = Streamer("legacy")
    made = Streams(proxy, model, legacy.port, candidate.port)
    made.legacy = legacy
    yield made
    legacy.close()


@contextlib.contextmanager
def kserve_servers(folder, *names):
    """Servers of the KServe SDK that stream, by their ports."""
    program = ensure("kserve") / "bin" / "python"
    source = Path(__file__).with_name("kserve_streamer.py")
    ports = {name: free_port() for name in names}
    with contextlib.ExitStack() as stack:
        for name, port in ports.items():
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            command = [
                str(program), str(source), "--model_name", "x", "--said", name, "--http_port", str(port),
                "--enable_grpc", "false",
            ]  # fmt: skip
            process = subprocess.Popen(command, stdout=log, stderr=log)
            stack.callback(process.wait, 20)
            stack.callback(process.kill)
        for name, port in ports.items():
            _until_ready(f"http://127.0.0.1:{port}/v1/models/x", folder / f"{name}.log")
        yield ports


def _until_ready(url, log):
    deadline = time.monotonic() + 120
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2).is_success:
                return
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


async def test_a_stream_that_has_begun_is_not_moved(proxy, model, tmp_path):
    """On the KServe SDK's servers: every begun stream ends whole where it began, whatever is done meanwhile.

    Weights change, the sentinel falls silent, the attempt is rolled back, the next one comes and goes, and
    with the one after that the router forgets the servers of the first.
    """
    with kserve_servers(tmp_path, "legacy", "candidate") as ports:
        traffic = Streams(proxy, model, ports["legacy"], ports["candidate"])
        await traffic.begin(0.5, **POLICY)
        await _until_candidate(traffic)
        begun, tokens = asyncio.Semaphore(0), 200
        running = [asyncio.create_task(traffic.stream(begun, tokens=tokens)) for _ in range(24)]
        for _ in running:
            await begun.acquire()
        under_way = proxy.router.under_way(model.name, traffic.attempt)
        assert 0 < under_way < 24
        await traffic.weigh(0.95)
        proxy.word.armed.discard(traffic.attempt)
        await asyncio.sleep(1.2)  # two checks: the candidate counts as unhealthy
        await asyncio.to_thread(
            proxy.router.roll_back, model.name, traffic.attempt, reason="mid-stream", by="test"
        )
        assert proxy.router.under_way(model.name, traffic.attempt) == under_way
        new = await asyncio.gather(*(traffic.stream(tokens=3) for _ in range(12)))
        assert all(who == {"legacy"} and not broken for who, _, broken in new)
        second, third = (model.opening(number, ports["candidate"], **POLICY) for number in (2, 3))
        await asyncio.to_thread(proxy.router.open, second)
        await asyncio.to_thread(proxy.router.roll_back, model.name, second.attempt, reason="over", by="test")
        await asyncio.to_thread(proxy.router.open, third)
        admin = EnvoyAdmin(f"http://127.0.0.1:{proxy.admin_port}")
        assert candidate_cluster(traffic.attempt) not in await asyncio.to_thread(admin.clusters)
        assert not any(task.done() for task in running)
        ended = [await task for task in running]
    assert [(came, broken) for _, came, broken in ended] == [([*range(tokens), "[DONE]"], False)] * 24
    servers = collections.Counter(frozenset(who) for who, _, _ in ended)
    assert set(servers) == {frozenset({"legacy"}), frozenset({"candidate"})}
    assert servers[frozenset({"candidate"})] == under_way


@pytest.mark.parametrize("fault", ["500", "429", "reset", "hang"])
async def test_a_candidate_that_fails_before_the_first_byte_is_shielded(streams, candidate, fault):
    """Legacy streams in its place from the first token on, and the failure is the candidate's."""
    await streams.begin(0.5, **POLICY)
    before = await _until_candidate(streams)
    candidate.fault = fault
    served = len(candidate.served)
    answers = await streams.streams(16)
    assert answers == [({"legacy"}, WHOLE, False)] * 16
    failed = [one for one in streams.records(before + 16) if one.rescued]
    assert len(failed) == len(candidate.served) - served > 0
    assert all(is_error(one, RULES) for one in failed)


async def test_a_stream_that_breaks_reaches_its_client_broken_and_is_counted(streams, candidate):
    """What has begun cannot be taken back: the client sees the end missing, the guard sees an error."""
    candidate.breaks_after = 3
    await streams.begin(0.5, **POLICY)
    answers = await streams.streams(24)
    broken = [(who, came) for who, came, was_broken in answers if was_broken]
    assert broken
    assert all(who == {"candidate"} and came == [0, 1, 2] for who, came in broken)
    assert all(who == {"legacy"} and came == WHOLE for who, came, was_broken in answers if not was_broken)
    records = streams.records(24)
    assert {one.arm for one in records if one.broken} == {Arm.CANDIDATE}
    assert sum(one.broken and is_error(one, RULES) for one in records) == len(broken)
    assert not any(is_error(one, RULES) for one in records if not one.broken)


async def test_a_stream_that_breaks_late_is_counted_when_it_breaks(streams, candidate):
    """Its request was good when it was judged; its end is an error of the second in which it came."""
    candidate.breaks_after, candidate.pause_seconds = 4, 0.4
    await streams.begin(0.95, **POLICY)
    before = await _until_candidate(streams)
    await streams.streams(6)
    late = [one for one in streams.records(before + 6) if one.broken]
    assert late
    assert all(breaks_late(one, RULES) and not is_error(one, RULES) for one in late)


async def test_a_long_stream_is_not_cut_and_holds_no_look_up(streams, candidate):
    """It lasts longer than any limit; its first byte is known while it runs, and its second is judged."""
    candidate.pause_seconds = streams.legacy.pause_seconds = 0.9  # 7 s in all, limits of 0.5 and 2 s
    await streams.begin(0.95, **POLICY)
    began = int(time.time())
    running = asyncio.gather(*(streams.stream() for _ in range(6)))
    await asyncio.sleep(2.5)
    log = AccessLog(streams.proxy.state, EnvoyAdmin(""))
    records, cursor = log.read(streams.model.name, None)
    assert len(cursor.running) == 6
    assert all(one.first_byte_seconds is not None for one in cursor.running)
    counter = counting.begin(streams.attempt, began - 1)
    _, looks = counting.advance(counter, RULES, records, (), time.time() + 1)
    assert sum(look.legacy.requests + look.candidate.requests for look in looks) == 6
    assert sum(look.legacy.errors + look.candidate.errors for look in looks) == 0
    assert all(came == WHOLE and not broken for _, came, broken in await running)


async def test_a_stream_that_stands_still_is_cut(streams, candidate):
    """Between two tokens a client waits no longer than `request_seconds`."""
    candidate.pause_seconds = 4.0
    await streams.begin(0.95, **POLICY)
    answers = await streams.streams(6)
    cut = [one for one in answers if one[0] == {"candidate"}]
    assert cut
    assert all((came, broken) == ([0], True) for _, came, broken in cut)
    assert sum(one.broken for one in streams.records(6)) == len(cut)


async def test_a_slow_first_token_is_slow_and_a_long_stream_is_not(streams, candidate):
    """Time is the time to the first byte: for slow, for errors, and for what telemetry tells."""
    candidate.first_seconds = 0.4
    await streams.begin(0.5, **POLICY)
    await streams.streams(16)
    records = streams.records(16)
    assert {one.arm for one in records} == set(Arm)
    for one in records:
        assert one.duration_seconds > RULES.slow_seconds
        assert is_slow(one, RULES) == (one.arm is Arm.CANDIDATE)
        assert (one.first_byte_seconds >= 0.4) == (one.arm is Arm.CANDIDATE)


async def _until_candidate(streams):
    """Until the router sends to the candidate; returns how many requests that took."""
    deadline, tries, who = time.monotonic() + 20, 0, None
    while who != {"candidate"}:
        assert time.monotonic() < deadline, "no stream from the candidate"
        who, _, _ = await streams.stream(tokens=1)
        tries += 1
    return tries
