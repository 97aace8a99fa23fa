"""A model that streams under guard: real router, sentinel and shadow service, servers that stream tokens."""

import asyncio
import itertools
import json
import os
import threading
import time
from dataclasses import dataclass, field

import aiohttp
import httpx
import pytest
import yaml
from conftest import CONTRACT

from tests.contract.router.streaming_servers import PIECES, Streamer
from tests.waiting import until
from turnout.domain.route import Backend, Opening, Registration, RouteChange, RoutePolicy
from turnout.fabric import contracts, ports
from turnout.services.shadow.receiver import LARGEST_BODY_BYTES

POLICY = RoutePolicy(streaming=True, try_seconds=0.5, request_seconds=5.0)
_NUMBERS = itertools.count(1)


@dataclass
class Streams:
    """Clients of one model: open loop, a fixed rate; of each stream its start, its server, whether whole."""

    url: str
    rate: float = 30.0
    ended: list[tuple[float, str | None, bool]] = field(default_factory=list)

    def __post_init__(self):
        """Start to send."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()

    def stop(self):
        """Send no more, and wait for what is outstanding."""
        self._stop.set()
        self._thread.join(30)

    async def _run(self):
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            began = time.monotonic()
            for n in itertools.count():
                await asyncio.sleep(max(0.0, began + n / self.rate - time.monotonic()))
                if self._stop.is_set():
                    return
                group.create_task(self._one(session))

    async def _one(self, session):
        sent, text = time.time(), ""
        try:
            async with session.post(self.url, json={}) as response:
                async for piece in response.content:
                    text += piece.decode()
        except (aiohttp.ClientError, TimeoutError):
            pass
        first = text.split("\n", 1)[0].removeprefix("data: ")
        self.ended.append((sent, json.loads(first)["from"] if first else None, "[DONE]" in text))


@dataclass
class Streaming:
    """One model that streams, in the middle of its migration."""

    lab: object
    name: str
    url: str
    legacy: Streamer
    candidate: Streamer

    @property
    def attempt(self):
        """The attempt."""
        return f"{self.name}-1"

    @property
    def route(self):
        """The route now."""
        return self.lab.router.read(self.name)

    def change(self, **changes):
        """Change the route."""
        read = self.route
        self.lab.router.change(
            RouteChange(model=self.name, attempt=read.attempt, read_version=read.version, **changes)
        )


@pytest.fixture
def streaming(lab):
    """A live attempt at weight 0 that the sentinel arms."""
    name = f"tokens{next(_NUMBERS)}-{os.getpid()}"
    legacy, candidate = Streamer("legacy"), Streamer("candidate")
    contract = {"model": name, **CONTRACT, "policy": POLICY.model_dump()}
    (lab.settings.contracts / f"{name}.yaml").write_text(yaml.safe_dump(contract))
    contracts.load(lab.settings.contracts, name)
    listen = ports.pick()
    stable = Backend(name=f"legacy-{name}", port=legacy.port)
    lab.router.register(Registration(model=name, listen_port=listen, stable=stable, policy=POLICY))
    backend = Backend(name=f"{name}-1", port=candidate.port)
    lab.router.open(Opening(model=name, attempt=f"{name}-1", candidate=backend, policy=POLICY))
    lab.sentinel()
    made = Streaming(lab, name, f"http://127.0.0.1:{listen}/v1/models/{name}:predict", legacy, candidate)
    until(lambda: lab.standing(made.attempt).get("armed"), "armed")
    yield made
    lab.router.roll_back(name, f"{name}-1", reason="the test is over", by="test")
    legacy.close()
    candidate.close()


def test_a_candidate_that_breaks_its_streams_is_taken_back(streaming):
    """Nothing can shield what has begun: clients see it, the guard counts it, new ones go to legacy."""
    streaming.candidate.pause_seconds = streaming.legacy.pause_seconds = 0.15  # an answer takes 1.2 s
    streaming.change(weight=0.5)
    clients = Streams(streaming.url)
    try:
        until(lambda: sum(who == "candidate" for _, who, _ in clients.ended) > 40, "streams end well")
        assert all(whole for _, _, whole in clients.ended)
        assert streaming.route.attempt == streaming.attempt
        streaming.candidate.breaks_after = 5  # after 0.75 s: beyond the time in which a request is judged
        until(lambda: streaming.route.attempt is None, "rolled back")
    finally:
        clients.stop()
    stone = streaming.lab.router.tombstone(streaming.name, streaming.attempt)
    assert stone.by == "sentinel"
    assert stone.reason.startswith("errors: ")
    broken = [(sent, who) for sent, who, whole in clients.ended if not whole]
    assert broken
    assert {who for _, who in broken} == {"candidate"}
    assert max(sent for sent, _ in broken) < stone.at_seconds + 0.5
    looks = streaming.lab.state.looks(streaming.attempt).read_text().splitlines()
    counted = sum(json.loads(look)["candidate"]["errors"] for look in looks)
    assert 0 < counted <= len(broken)
    print(f"{counted} broken streams convicted it, {len(broken)} broke in all")


def test_streams_are_captured_whole_and_within_bounds(streaming):
    """A copy of each stream comes to the shadow service; one too large is let go, its client gets it all."""
    streaming.change(capture_share=1.0)
    file = streaming.lab.state.captures(streaming.name)
    answer = httpx.post(streaming.url, json={}).text
    until(file.exists, "the stream is captured", 30)
    [line] = file.read_text().splitlines()
    assert json.loads(line)["response"] == answer
    assert answer.count("data: ") == PIECES + 1
    streaming.legacy.padding = "x" * (LARGEST_BODY_BYTES // 2)
    for _ in range(3):
        large = httpx.post(streaming.url, json={}, timeout=30).text
        assert len(large) > PIECES * LARGEST_BODY_BYTES // 2
        assert large.endswith("data: [DONE]\n\n")
    streaming.legacy.padding = ""
    httpx.post(streaming.url, json={})
    until(lambda: len(file.read_text().splitlines()) == 2, "the next one is captured", 30)
