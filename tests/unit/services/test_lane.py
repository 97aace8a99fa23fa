import asyncio
import dataclasses
import json
import random
from collections import Counter

import pytest

from turnout.domain.contract import AnswerKind, Bounds, Contract, SameAnswer, Wire
from turnout.domain.requests import Arm
from turnout.services.shadow import lane as lanes
from turnout.services.shadow.lane import AT_A_TIME, WAITING, Lane
from turnout.services.shadow.replies import Reply
from turnout.services.shadow.target import RECENT, target


class Servers:
    """Both arms' servers behind the caller's one method; they answer when they are let."""

    def __init__(self):
        """Answer at once."""
        self.open = asyncio.Event()
        self.open.set()
        self.asked = []
        self.seconds = 0.01
        self.busy = self.busiest = 0

    async def replay(self, exchange, backend, *, limit_seconds):
        """Answer a replay."""
        self.asked.append((backend.name, exchange.started_seconds, limit_seconds))
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        await self.open.wait()
        self.busy -= 1
        return Reply(200, b'{"predictions": [1.0]}', self.seconds)


@dataclasses.dataclass
class Track:
    """A lane and what it did."""

    lane: Lane
    servers: Servers
    compared: list
    counts: Counter

    async def settle(self):
        """Let everything under way come to its end."""
        for _ in range(50):
            await asyncio.sleep(0)


@pytest.fixture
async def track(contract, make_route):
    """A lane that is aimed at a healthy attempt in its canary."""
    servers, compared, counts = Servers(), [], Counter()
    lane = Lane(servers, compared.append, lambda what: counts.update([what]), random.Random(1))
    lane.aim(target(make_route(weight=0.5), contract, healthy=True))
    yield Track(lane, servers, compared, counts)
    await lane.close()


async def test_each_arm_is_replayed_to_the_other_and_legacy_twice(track, make_exchange):
    """Legacy's answers are asked of the candidate and legacy, the candidate's twice of legacy."""
    track.lane.offer(make_exchange(started_seconds=1.0))
    track.lane.offer(make_exchange(Arm.CANDIDATE, started_seconds=2.0))
    await track.settle()
    asked = sorted((name, at) for name, at, _ in track.servers.asked)
    assert asked == [("iris-1", 1.0), ("iris-legacy", 1.0), ("iris-legacy", 2.0), ("iris-legacy", 2.0)]
    assert [c.captured_from for c in track.compared] == [Arm.LEGACY, Arm.CANDIDATE]


async def test_the_candidate_gets_the_time_of_one_try(track, make_exchange, contract):
    """A replay waits no longer than the router would."""
    track.lane.offer(make_exchange())
    await track.settle()
    limits = {name: limit for name, _, limit in track.servers.asked}
    assert limits == {"iris-1": contract.policy.try_seconds, "iris-legacy": contract.policy.request_seconds}


async def test_the_oldest_gives_way_and_is_counted(track, make_exchange):
    """Memory and load are bounded: a few at a time, a bounded queue, and the newest are kept."""
    track.servers.open.clear()
    total = WAITING + AT_A_TIME + 30
    for n in range(total):
        track.lane.offer(make_exchange(started_seconds=float(n)))
    await track.settle()
    assert track.servers.busiest == 2 * AT_A_TIME
    track.servers.open.set()
    while len(track.compared) < WAITING + AT_A_TIME - 30:
        await track.settle()
    await track.settle()
    dropped = track.counts["not replayed: the queue was full"]
    assert dropped + len(track.compared) == total
    assert dropped > 0
    assert max(at for _, at, _ in track.servers.asked) == total - 1


async def test_nothing_is_replayed_without_the_sentinels_word(track, make_exchange, contract, make_route):
    """The first load to be shed: what waits already is not sent either."""
    track.servers.open.clear()
    for n in range(AT_A_TIME + 5):
        track.lane.offer(make_exchange(started_seconds=float(n)))
    await track.settle()
    before = len(track.servers.asked)
    track.lane.aim(target(make_route(weight=0.5), contract, healthy=False))
    track.servers.open.set()
    await track.settle()
    track.lane.offer(make_exchange())
    await track.settle()
    assert len(track.servers.asked) == before
    assert track.counts["not replayed: the sentinel does not report it healthy"] == 6


async def test_a_slow_arm_gets_a_rest(track, make_exchange, monkeypatch):
    """An arm that clients depend on and that is slow gets no replays for a while."""
    track.servers.seconds = 3.0
    for n in range(RECENT):
        track.lane.offer(make_exchange(started_seconds=float(n)))
        await track.settle()
    before = len(track.servers.asked)
    track.lane.offer(make_exchange())
    track.lane.offer(make_exchange())
    await track.settle()
    assert len(track.servers.asked) == before
    assert track.counts["not replayed: legacy is slow"] == 1
    monkeypatch.setattr(lanes.time, "monotonic", lambda: 1e9)
    track.lane.offer(make_exchange())
    await track.settle()
    assert len(track.servers.asked) > before


async def test_what_waits_for_an_attempt_that_is_over_is_dropped(track, make_exchange):
    """After a rollback nothing more goes to the candidate."""
    track.servers.open.clear()
    for _ in range(AT_A_TIME + 3):
        track.lane.offer(make_exchange())
    await track.settle()
    track.lane.aim(None)
    track.servers.open.set()
    await track.settle()
    assert track.counts["not replayed: the attempt changed"] == 3
    track.lane.offer(make_exchange())
    assert track.counts["not replayed: no live attempt"] == 1


async def test_generated_text_is_asked_of_both_arms_anew_with_its_sampling_pinned(make_route, make_exchange):
    """What a client got was drawn by chance: both arms are asked alike, legacy twice for the noise floor."""
    contract = Contract(
        model="iris",
        wire=Wire.OPENAI,
        same_answer=SameAnswer(kind=AnswerKind.TEXT),
        bounds=Bounds(slow_seconds=9),
    )
    sent, compared, counts = [], [], Counter()

    class Talkers:
        async def replay(self, exchange, backend, *, limit_seconds):  # noqa: ARG002
            sent.append((backend.name, json.loads(exchange.request)["temperature"]))
            text = "same" if backend.name == "iris-legacy" else "other"
            return Reply(200, json.dumps({"choices": [{"message": {"content": text}}]}).encode(), 0.1)

    lane = Lane(Talkers(), compared.append, lambda what: counts.update([what]), random.Random(1))
    lane.aim(target(make_route(), contract, healthy=True))
    request = json.dumps({"messages": [], "temperature": 1}).encode()
    lane.offer(
        make_exchange(path="/openai/v1/chat/completions", request=request, answer=b"data: drawn by chance")
    )
    for _ in range(50):
        await asyncio.sleep(0)
    await lane.close()
    assert sorted(sent) == [("iris-1", 0), ("iris-legacy", 0), ("iris-legacy", 0)]
    (record,) = compared
    assert (record.captured_from, record.new_differs, record.old_differs) == (Arm.LEGACY, True, False)
    assert (record.example["old"], record.example["new"]) == ("same", "other")


async def test_generated_text_is_replayed_one_at_a_time(make_route, make_exchange):
    """One replay takes a server that does not batch for seconds, and its clients wait behind it."""
    contract = Contract(model="iris", wire=Wire.OPENAI, same_answer=SameAnswer(kind=AnswerKind.TEXT))
    servers, compared = Servers(), []
    servers.open.clear()
    lane = Lane(servers, compared.append, lambda _: None, random.Random(1))
    lane.aim(target(make_route(), contract, healthy=True))
    for _ in range(4):
        lane.offer(make_exchange(path="/openai/v1/completions", request=b'{"prompt": "a"}'))
    for _ in range(50):
        await asyncio.sleep(0)
    await lane.close()
    assert servers.busiest == 3  # legacy, the candidate, and legacy once more
