"""Sends requests when they are due, whatever became of earlier ones; see `turnout.domain.load`.

Bounded: in rate and time by its caller, and in what is outstanding at once. One more than that is not sent
and counts as failed: a server that has stopped answering is not buried, and this process keeps its
connections.
"""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import aiohttp

from turnout.domain.load import Sent

MOST_OUTSTANDING = 500
_OK = 200


def send(
    url: str, bodies: Sequence[bytes], *, rate: float, seconds: float, within_seconds: float
) -> list[Sent]:
    """Send requests at an even rate, and wait for the answers of all of them.

    Args:
        url: Where.
        bodies: JSON bodies, sent one after the other, again from the first.
        rate: Requests a second.
        seconds: How long.
        within_seconds: An answer that takes longer is none.
    """
    count = max(1, round(rate * seconds))
    with ThreadPoolExecutor(1) as pool:  # whoever calls may have an event loop of their own
        return pool.submit(
            asyncio.run, _sent(url, bodies, rate=rate, count=count, within=within_seconds)
        ).result()


async def _sent(url: str, bodies: Sequence[bytes], *, rate: float, count: int, within: float) -> list[Sent]:
    timeout = aiohttp.ClientTimeout(total=within)
    connector = aiohttp.TCPConnector(limit=MOST_OUTSTANDING)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        began = time.monotonic()
        under_way: set[asyncio.Task[Sent]] = set()
        done: list[Sent] = []
        for number in range(count):
            due = number / rate
            await asyncio.sleep(max(0.0, began + due - time.monotonic()))
            done += [task.result() for task in under_way if task.done()]
            under_way = {task for task in under_way if not task.done()}
            if len(under_way) >= MOST_OUTSTANDING:
                done.append(Sent(due_seconds=due, answered_seconds=None))
                continue
            body = bodies[number % len(bodies)]
            under_way.add(asyncio.create_task(_one(session, url, body, due, began)))
        return done + list(await asyncio.gather(*under_way))


async def _one(session: aiohttp.ClientSession, url: str, body: bytes, due: float, began: float) -> Sent:
    headers = {"content-type": "application/json"}
    try:
        async with session.post(url, data=body, headers=headers) as answer:
            await answer.read()
            well = answer.status == _OK
    except (aiohttp.ClientError, TimeoutError):
        well = False
    return Sent(due_seconds=due, answered_seconds=time.monotonic() - began if well else None)
