"""What clients notice of a migration: nothing. Real traffic, a real router, real servers that fail."""

import asyncio
import collections
import contextlib
import io
import os
import signal
import socket
import subprocess
import sys
import time

import aiohttp
import psutil
import pytest

from tests.contract.router import tiny_servers
from tests.contract.router.conftest import environment
from turnout.domain.requests import Arm
from turnout.domain.route import Backend as Address
from turnout.domain.route import Opening, RouteChange, RoutePolicy
from turnout.fabric.router.admin import EnvoyAdmin
from turnout.fabric.telemetry import AccessLog, Cursor

QUICK = {"try_seconds": 0.3}


class Traffic:
    """A model behind the router, its two servers, and clients."""

    def __init__(self, proxy, model, legacy, candidate_port):
        """Keep the parts; nothing is registered yet."""
        self.proxy, self.model, self.legacy = proxy, model, legacy
        self.url = f"http://127.0.0.1:{model.registration.listen_port}/v1/models/x:predict"
        self.attempt = f"{model.name}-1"
        stable = Address(name="legacy", port=legacy.port)
        self.registration = model.registration.model_copy(update={"stable": stable})
        self.candidate_port = candidate_port

    async def begin(self, weight, *, armed=True, **policy):
        """Open the attempt at a weight; the router has seen the sentinel's word when this returns."""
        await asyncio.to_thread(self.proxy.router.register, self.registration)
        if armed:
            self.proxy.word.armed.add(self.attempt)
        opening = Opening(
            model=self.model.name,
            attempt=self.attempt,
            candidate=Address(name="candidate", port=self.candidate_port),
            policy=RoutePolicy(**{**QUICK, **policy}),
        )
        await asyncio.to_thread(self.proxy.router.open, opening)
        await self.weigh(weight)

    async def weigh(self, weight):
        """Change the weight."""
        read = self.proxy.router.read(self.model.name)
        change = RouteChange(model=read.model, attempt=read.attempt, read_version=read.version, weight=weight)
        return await asyncio.to_thread(self.proxy.router.change, change)

    async def send(self, count, *, clients=4, body=b"{}"):
        """Send some requests; returns who answered, by status; a broken connection counts as status 0."""
        answers = collections.Counter()

        async def client(session):
            for _ in range(count // clients):
                answers[await self.one(session, io.BytesIO(body))] += 1

        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(client(session) for _ in range(clients)))
        return answers

    async def one(self, session, body=None):
        """One request: who answered, and the status."""
        try:
            async with session.post(self.url, data=body or b"{}") as response:
                return (await response.json())["from"], response.status
        except aiohttp.ClientError as error:
            return str(error), 0

    def records(self, count):
        """The router's own records of ended requests, waited for until there are so many."""
        log = AccessLog(self.proxy.state, EnvoyAdmin(f"http://127.0.0.1:{self.proxy.admin_port}"))
        deadline = time.monotonic() + 10
        while True:
            records, cursor = log.read(self.model.name, Cursor())
            if cursor.ended >= count or time.monotonic() > deadline:
                return [one for one in records if one.duration_seconds is not None]
            time.sleep(0.05)


@pytest.fixture
def traffic(proxy, model, legacy, candidate):
    """A model with both servers behind the router that all tests share."""
    return Traffic(proxy, model, legacy, candidate.port)


def failures(answers):
    """What clients would call a failure."""
    return {who: n for who, n in answers.items() if who[1] != 200}


@pytest.mark.parametrize("fault", ["30%", "reset", "404", "429", "400", "307"])
async def test_legacy_answers_for_a_failing_candidate(traffic, candidate, fault):
    """However a candidate fails, its clients get legacy's answer, and the failure is the candidate's."""
    candidate.fault = fault
    await traffic.begin(0.5)
    answers = await traffic.send(200)
    assert not failures(answers)
    records = traffic.records(200)
    chosen = [one for one in records if one.arm is Arm.CANDIDATE]
    assert len(records) == 200
    assert len(chosen) == len(candidate.served)
    rescued = [one for one in chosen if one.rescued]
    assert len(rescued) == len(chosen) - answers["candidate", 200]
    assert rescued
    assert not any(one.rescued for one in records if one.arm is Arm.LEGACY)


async def test_a_hanging_candidate_costs_one_try(traffic, candidate):
    """A hang is answered by legacy after the time of one try, however long legacy itself takes."""
    candidate.fault = "hang"
    traffic.legacy.seconds = 0.5  # longer than one try may take on the candidate
    await traffic.begin(0.5)
    assert not failures(await traffic.send(24, clients=8))
    chosen = [one for one in traffic.records(24) if one.arm is Arm.CANDIDATE]
    assert not [one for one in chosen if not one.rescued or one.duration_seconds < 0.75]


async def test_a_request_in_flight_is_known(traffic, candidate):
    """While a candidate hangs, the log already says which arm has the request."""
    candidate.fault = "hang"
    await traffic.begin(0.95, try_seconds=1.5)
    log = AccessLog(traffic.proxy.state, EnvoyAdmin(""))
    async with aiohttp.ClientSession() as session:
        waiting = [asyncio.create_task(traffic.one(session)) for _ in range(6)]
        await asyncio.sleep(0.6)
        _, cursor = log.read(traffic.model.name, None)
        flying = [one for one in cursor.running if one.arm is Arm.CANDIDATE]
        assert {one.attempt for one in flying} == {traffic.attempt}
        assert {one.weight for one in flying} == {0.95}
        assert {await task for task in waiting} <= {("legacy", 200)}
    traffic.records(6)
    records, cursor = log.read(traffic.model.name, cursor)
    assert not cursor.in_flight
    assert {one.request_id for one in flying} <= {one.request_id for one in records if one.rescued}


async def test_large_bodies_are_sent_again(traffic, candidate):
    """A body of 3 MB reaches legacy whole after the candidate has failed on it."""
    candidate.fault = "500"
    await traffic.begin(0.5)
    answers = await traffic.send(24, body=b"x" * 3_000_000)
    assert answers == {("legacy", 200): 24}
    assert candidate.served


async def test_what_could_not_be_sent_again_stays_on_legacy(traffic, candidate):
    """A body beyond the limit, or of unknown size, is never risked on a candidate."""
    candidate.fault = "500"
    await traffic.begin(0.95, largest_body_bytes=1000)

    async def unknown_size():
        yield b"{}"

    assert await traffic.send(12, body=b"x" * 1001) == {("legacy", 200): 12}
    async with aiohttp.ClientSession() as session:
        for _ in range(6):
            assert await traffic.one(session, unknown_size()) == ("legacy", 200)
    assert not candidate.served
    assert {(one.arm, one.weight) for one in traffic.records(18)} == {(Arm.LEGACY, 0.0)}
    await traffic.send(12, body=b"x" * 1000)
    assert candidate.served


async def test_a_request_with_side_effects_is_sent_once(traffic, candidate):
    """Where requests may not be replayed, a candidate's failure is the client's; an absent one is not."""
    candidate.fault = "500"
    await traffic.begin(0.5, replayable=False)
    answers = await traffic.send(60)
    assert answers["candidate", 500] == len(candidate.served) > 0
    assert len(traffic.legacy.served) == answers["legacy", 200]
    candidate.close()
    assert not failures(await traffic.send(60))


async def test_a_clients_own_error_is_nobodys(traffic, candidate):
    """A request that both arms reject gets legacy's rejection, and convicts no candidate."""
    candidate.fault = traffic.legacy.fault = "400"
    await traffic.begin(0.5)
    assert await traffic.send(40) == {("legacy", 400): 40}
    records = traffic.records(40)
    assert all(one.answered and not one.rescued for one in records)


async def test_a_killed_candidate_is_not_noticed(proxy, model, legacy):
    """Killing the candidate's process under load fails no request."""
    command = [sys.executable, tiny_servers.__file__, "candidate"]
    process = await asyncio.to_thread(subprocess.Popen, command, stdout=subprocess.PIPE, text=True)
    try:
        traffic = Traffic(proxy, model, legacy, int(process.stdout.readline()))
        await traffic.begin(0.5)
        sending = asyncio.create_task(traffic.send(600))
        await asyncio.sleep(0.3)
        process.kill()
        answers = await sending
    finally:
        process.kill()
        process.communicate()
    assert not failures(answers)
    assert answers["candidate", 200] > 0


async def test_weight_changes_under_load_fail_nothing(traffic):
    """Thirty changes of the weight in a row, under load: no failed request, each counted under its weight."""
    await traffic.begin(0.05)
    sending = asyncio.create_task(traffic.send(800))
    for step in range(30):
        await traffic.weigh(round(0.05 + step * 0.03, 2))
    assert not failures(await sending)
    by_weight = collections.Counter(one.weight for one in traffic.records(800))
    assert sum(by_weight.values()) == 800
    assert len(by_weight) > 3


async def test_shares_fit_the_weights(traffic):
    """The candidate's share is its weight, and no request falls between the arms."""
    await traffic.begin(0.3)
    read = traffic.proxy.router.read(traffic.model.name)
    change = RouteChange(model=read.model, attempt=read.attempt, read_version=read.version, capture_share=0.4)
    await asyncio.to_thread(traffic.proxy.router.change, change)
    answers = await traffic.send(2000)
    share = answers["candidate", 200] / 2000
    assert sum(answers.values()) == 2000
    assert not failures(answers)
    assert abs(share - 0.3) < 5 * (0.3 * 0.7 / 2000) ** 0.5  # five standard deviations


async def test_without_the_sentinels_word_there_is_no_candidate_traffic(traffic, candidate):
    """An attempt that the sentinel does not vouch for gets nothing, whatever its weight."""
    await traffic.begin(0.95, armed=False)
    assert await traffic.send(60) == {("legacy", 200): 60}
    assert not candidate.served
    diverted = [one for one in traffic.records(60) if one.arm is Arm.CANDIDATE]
    assert diverted
    assert all(one.diverted and not one.rescued for one in diverted)


async def test_traffic_leaves_when_the_word_is_taken_back(traffic):
    """The sentinel's silence takes the traffic to legacy within a few checks; nobody else has to act."""
    await traffic.begin(0.95)
    await _until(traffic, "candidate")
    traffic.proxy.word.armed.discard(traffic.attempt)
    await _until(traffic, "legacy")
    assert await traffic.send(60) == {("legacy", 200): 60}
    traffic.proxy.word.armed.add(traffic.attempt)
    await _until(traffic, "candidate")


async def test_a_rollback_under_load_loses_nothing(traffic, candidate):
    """After a rollback has returned no request reaches the candidate, and none fails on the way."""
    await traffic.begin(0.95)
    await _until(traffic, "candidate")
    sending = asyncio.create_task(traffic.send(1500))
    await asyncio.sleep(0.2)
    asked = time.time()
    await asyncio.to_thread(
        traffic.proxy.router.roll_back, traffic.model.name, traffic.attempt, reason="test", by="test"
    )
    returned = time.time()
    answers = await sending
    last = max(candidate.served)
    print(
        f"rollback returned after {returned - asked:.4f} s, last candidate request after {last - asked:.4f} s"
    )
    assert not failures(answers)
    served_after = [at for at in candidate.served if at > returned + 0.5]
    assert not served_after
    assert answers["legacy", 200] > 500


async def test_the_command_takes_traffic_back_under_load(traffic, candidate, tmp_path):
    """`turnout rollback` loses no request, and its time to the candidate's last one is measured."""
    await traffic.begin(0.95)
    await _until(traffic, "candidate")
    variables = environment(traffic.proxy, tmp_path)
    command = ["-m", "turnout", "rollback", traffic.model.name, "--reason", "under load"]
    sending = asyncio.create_task(traffic.send(3000))
    await asyncio.sleep(0.1)
    asked = time.time()
    process = await asyncio.create_subprocess_exec(sys.executable, *command, env=variables)
    assert await process.wait() == 0
    returned = time.time()
    answers = await sending
    last = max(candidate.served)
    print(f"command ended after {returned - asked:.2f} s, last candidate request after {last - asked:.2f} s")
    assert not failures(answers)
    assert last < returned + 0.5
    assert answers["legacy", 200] > 0


async def test_a_candidate_takes_legacys_place_and_gives_it_back_under_load(traffic, candidate):
    """Legacy may end once the candidate's servers are the stable ones; no request fails, there or back."""
    await traffic.begin(0.95)
    await _until(traffic, "candidate")
    router, name, attempt = traffic.proxy.router, traffic.model.name, traffic.attempt
    sending = asyncio.create_task(traffic.send(3000))
    await asyncio.sleep(0.1)
    address = Address(name=attempt, port=candidate.port)
    alone = traffic.registration.model_copy(update={"stable": address})
    route = await asyncio.to_thread(router.register, alone)
    assert (route.attempt, route.stable) == (attempt, address)
    await asyncio.to_thread(router.roll_back, name, attempt, reason="retired", by="ana")
    traffic.legacy.served.clear()
    assert await traffic.send(200) == {("candidate", 200): 200}
    assert not traffic.legacy.served
    await asyncio.to_thread(router.register, traffic.registration)
    assert await traffic.send(200) == {("legacy", 200): 200}
    assert not failures(await sending)


async def test_a_router_that_starts_again_keeps_the_route(own_proxy, model, legacy, candidate):
    """Killing the router loses no decision: a rollback while it is down holds when it is back."""
    traffic = Traffic(own_proxy, model, legacy, candidate.port)
    await traffic.begin(0.95)
    await _until(traffic, "candidate")
    own_proxy.stop(signal.SIGKILL)
    own_proxy.router.roll_back(model.name, traffic.attempt, reason="down", by="test")
    candidate.served.clear()
    await asyncio.to_thread(own_proxy.start)
    assert await traffic.send(60) == {("legacy", 200): 60}
    assert not candidate.served


async def test_a_router_is_replaced_without_a_failed_request(own_proxy, model, legacy, candidate):
    """Hot restart under traffic: a new process serves the same route, the old one ends, no request fails."""
    traffic = Traffic(own_proxy, model, legacy, candidate.port)
    await traffic.begin(0.5)
    await _until(traffic, "candidate")
    runner = psutil.Process(own_proxy.process.pid)
    [old] = runner.children()
    os.kill(runner.pid, signal.SIGHUP)
    answers, deadline = collections.Counter(), time.monotonic() + 60
    async with aiohttp.ClientSession() as session:  # its connections outlive the old process
        while _lives(old):
            answers.update(await asyncio.gather(*(traffic.one(session) for _ in range(8))))
            await asyncio.sleep(0.02)
            assert time.monotonic() < deadline, "the old process did not end"
        answers.update(await asyncio.gather(*(traffic.one(session) for _ in range(100))))
    assert not failures(answers)
    assert {who for who, _ in answers} == {"legacy", "candidate"}
    [new] = runner.children()
    assert new.pid != old.pid
    assert "--restart-epoch 1" in " ".join(new.cmdline())


def _lives(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("sentinel", ["dead", "stopped"])
async def test_a_silent_sentinel_gets_no_candidate_traffic(own_proxy, model, legacy, candidate, sentinel):
    """A router that starts beside a dead sentinel, or one that is stopped, sends nothing to the candidate.

    Nobody listens where a dead one was; the kernel takes connections for a stopped one, and nobody answers.
    """
    port = own_proxy.word.port
    own_proxy.word.close()
    with contextlib.ExitStack() as held:
        if sentinel == "stopped":
            held.enter_context(socket.create_server(("127.0.0.1", port), backlog=64))
        traffic = Traffic(own_proxy, model, legacy, candidate.port)
        await traffic.begin(0.95)
        assert await traffic.send(60) == {("legacy", 200): 60}
        own_proxy.stop(signal.SIGKILL)
        await asyncio.to_thread(own_proxy.start)
        assert await traffic.send(60) == {("legacy", 200): 60}
    assert not candidate.served


async def _until(traffic, who):
    """Send single requests until three in a row are answered by one arm."""
    deadline, row = time.monotonic() + 10, 0
    async with aiohttp.ClientSession() as session:
        while row < 8 if who == "legacy" else row < 1:
            answer, status = await traffic.one(session)
            assert status == 200
            row = row + 1 if answer == who else 0
            assert time.monotonic() < deadline, f"{who} did not answer"
            await asyncio.sleep(0.02)


async def test_the_second_try_keeps_the_clients_path(traffic, candidate):
    """OpenAI's clients call below /openai; legacy is asked by the very path that failed at the candidate."""
    path, seen = "/openai/v1/chat/completions", collections.Counter()

    def watched(server, status):
        def answer(asked):
            seen[server.name, asked] += 1
            return status

        return answer

    traffic.legacy.status = watched(traffic.legacy, 200)
    candidate.status = watched(candidate, 500)
    traffic.url = traffic.url.replace("/v1/models/x:predict", path)
    await traffic.begin(0.5)
    answers = await traffic.send(60)
    assert {status for _, status in answers} == {200}
    assert {asked for _, asked in seen} == {path}
    assert seen[candidate.name, path] > 0
