"""The replays of one model: a bounded queue, a few at a time, none when anything speaks against load."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from turnout.domain.contract import AnswerKind
from turnout.domain.requests import Arm, ComparisonRecord
from turnout.domain.sampling import pinned
from turnout.services.shadow.caller import Caller
from turnout.services.shadow.exchange import Exchange
from turnout.services.shadow.replies import (
    NotComparableError,
    Reply,
    from_both,
    from_candidate,
    from_legacy,
    inference,
)
from turnout.services.shadow.target import Pace, Target, unsuitable

WAITING = 200
"""Exchanges that wait at most; the oldest gives way, for the newest says most about now."""

AT_A_TIME = 4
"""Replays in flight a model: enough for 40 a second at 100 ms, too few to crowd out clients."""

GENERATED_AT_A_TIME = 1
"""The same of generated text: one replay takes a server that does not batch for seconds, and clients wait."""

REST_SECONDS = 5.0
"""Pause after an arm was found slow."""


class Lane:
    """Replays and compares the exchanges of one model at their own pace.

    Args:
        caller: Sends the replays.
        compared: Takes each finished comparison.
        count: Takes what happened to each exchange.
        chance: Draws the noise share; seeded in tests.
    """

    def __init__(
        self,
        caller: Caller,
        compared: Callable[[ComparisonRecord], None],
        count: Callable[[str], None],
        chance: random.Random | None = None,
    ) -> None:
        """Begin without a target: nothing is replayed."""
        self.target: Target | None = None
        self._caller = caller
        self._compared = compared
        self._count = count
        self._chance = chance or random.Random()  # noqa: S311 -- a sample, not a secret
        self._waiting: deque[Exchange] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._pace = Pace()
        self._rests_until = 0.0

    def aim(self, target: Target | None) -> None:
        """Set whom to replay to from now on; what waits for another attempt is dropped."""
        if target is None or self.target is None or target.attempt != self.target.attempt:
            self._drop_waiting("the attempt changed")
            self._pace.forget()
        self.target = target

    def offer(self, exchange: Exchange) -> None:
        """Take an exchange to be replayed, or count why it is not."""
        if reason := unsuitable(self.target, exchange) or self._shed():
            self._count(f"not replayed: {reason}")
            return
        if len(self._waiting) >= WAITING:
            self._waiting.popleft()
            self._count("not replayed: the queue was full")
        self._waiting.append(exchange)
        self._start()

    async def close(self) -> None:
        """Drop what waits and end what runs."""
        self._waiting.clear()
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _start(self) -> None:
        generates = self.target is not None and self.target.contract.same_answer.kind is AnswerKind.TEXT
        most = GENERATED_AT_A_TIME if generates else AT_A_TIME
        while self._waiting and len(self._running) < most:
            task = asyncio.create_task(self._one(self._waiting.popleft()))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        if task.exception() is not None:
            self._count(f"failed: {type(task.exception()).__name__}")
        self._start()

    async def _one(self, exchange: Exchange) -> None:
        target = self.target
        if reason := unsuitable(target, exchange) or self._shed():
            self._count(f"not replayed: {reason}")
            return
        assert target is not None  # noqa: S101 -- `unsuitable` has just said so
        if not inference(target.contract, exchange):
            self._count("not replayed: no answered inference")
            return
        try:
            record = await self._compare(target, exchange)
        except NotComparableError as error:
            self._count(f"not compared: {error}")
            return
        self._compared(record)

    async def _compare(self, target: Target, exchange: Exchange) -> ComparisonRecord:
        """Replay to the other arm, and a share of the time to legacy once more, at the same moment."""
        noise = self._chance.random() < target.contract.rollout.noise_share
        if request := pinned(target.contract, exchange.request):
            return await self._compare_pinned(target, replace(exchange, request=request), noise=noise)
        other = Arm.CANDIDATE if exchange.origin.arm is Arm.LEGACY else Arm.LEGACY
        calls = [self._call(target, exchange, other)]
        calls += [self._call(target, exchange, Arm.LEGACY)] if noise else []
        reply, *rest = await asyncio.gather(*calls)
        again = rest[0] if rest else None
        now = time.time()
        if other is Arm.CANDIDATE:
            return from_legacy(
                target.contract, exchange, attempt=target.attempt, new=reply, again=again, at_seconds=now
            )
        return from_candidate(
            target.contract, exchange, attempt=target.attempt, old=reply, again=again, at_seconds=now
        )

    async def _compare_pinned(self, target: Target, exchange: Exchange, *, noise: bool) -> ComparisonRecord:
        """Ask both arms anew, alike: what the client got was drawn by chance, and is held against nothing."""
        calls = [self._call(target, exchange, Arm.LEGACY), self._call(target, exchange, Arm.CANDIDATE)]
        calls += [self._call(target, exchange, Arm.LEGACY)] if noise else []
        old, new, *rest = await asyncio.gather(*calls)
        return from_both(
            target.contract, exchange, attempt=target.attempt, old=old, new=new,
            again=rest[0] if rest else None, at_seconds=time.time(),
        )  # fmt: skip

    async def _call(self, target: Target, exchange: Exchange, arm: Arm) -> Reply:
        policy = target.contract.policy
        backend = target.candidate if arm is Arm.CANDIDATE else target.legacy
        limit = policy.try_seconds if arm is Arm.CANDIDATE else policy.request_seconds
        reply = await self._caller.replay(exchange, backend, limit_seconds=limit)
        self._pace.saw(arm, reply.seconds)
        return reply

    def _shed(self) -> str | None:
        """Why there are no replays at all now, or None."""
        if self.target is None or not self.target.healthy:
            return "the sentinel does not report it healthy"
        if time.monotonic() < self._rests_until:
            return "resting"
        if slow := self._pace.too_slow(self.target):
            self._rests_until = time.monotonic() + REST_SECONDS
            self._pace.forget()
            return f"{slow} is slow"
        return None

    def _drop_waiting(self, reason: str) -> None:
        while self._waiting:
            self._waiting.popleft()
            self._count(f"not replayed: {reason}")
