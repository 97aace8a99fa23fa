import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from turnout.fabric.state import State
from turnout.lab import estate, traffic

ROOT = Path(__file__).parents[3]
RATE = 50.0


@pytest.fixture(autouse=True)
def lab(state: State) -> State:
    """A state directory with the estate and rows for iris."""
    estate.lay_out(state)
    state.payloads("iris").parent.mkdir(parents=True)
    state.payloads("iris").write_text(json.dumps({"model": "iris", "rows": [[5.1, 3.5, 1.4, 0.2]]}))
    return state


async def well(request: web.Request) -> web.Response:
    """Answer every row."""
    rows = (await request.json())["instances"]
    return web.json_response({"predictions": [0] * len(rows)})


async def serve(answer: Callable[[web.Request], Any], port: int) -> web.AppRunner:
    """Serve V1 for iris."""
    app = web.Application()
    app.router.add_post("/v1/models/iris:predict", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


@contextmanager
def client(state: State, port: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """The client as the lab starts it."""
    target = f"iris=http://127.0.0.1:{port}/v1/models/iris:predict"
    command = [sys.executable, "-m", "turnout.lab.client", str(state.root), "--target", target]
    with subprocess.Popen(
        [*command, "--rate", str(RATE), *options], env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def records(state: State) -> list[dict[str, Any]]:
    """What the client recorded."""
    file = state.client("iris")
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


async def recorded(state: State, count: int, *, process: subprocess.Popen[bytes]) -> None:
    """Wait until so many requests are recorded."""
    async with asyncio.timeout(60):
        while len(records(state)) < count:
            assert process.poll() is None
            await asyncio.sleep(0.05)


async def ended(process: subprocess.Popen[bytes]) -> int:
    """Ask the client to end, and wait until it has."""
    process.send_signal(signal.SIGTERM)
    return await asyncio.to_thread(process.wait, 40)


async def test_every_request_is_recorded_with_its_times(state, free_port):
    """A record has an id, the scheduled, sent and finished times in order, and the outcome."""
    runner = await serve(well, free_port)
    with client(state, free_port) as process:
        await recorded(state, 20, process=process)
        assert await ended(process) == 0
    await runner.cleanup()

    found = records(state)
    assert len({record["id"] for record in found}) == len(found)
    for record in found:
        assert record["scheduled"] <= record["sent"] <= record["finished"]
        assert (record["model"], record["status"], record["ok"], record["error"]) == ("iris", 200, True, None)


async def test_arrivals_are_random_and_at_the_rate(state, free_port):
    """The schedule is a Poisson process: gaps have the mean that the rate says, and are as scattered."""
    runner = await serve(well, free_port)
    with client(state, free_port) as process:
        await recorded(state, 300, process=process)
        await ended(process)
    await runner.cleanup()

    times = sorted(record["scheduled"] for record in records(state))
    gaps = [after - before for before, after in itertools.pairwise(times)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    # Of 300 exponential gaps the mean stays within 30 % (5 standard errors), the deviation within 40 %.
    assert mean == pytest.approx(1 / RATE, rel=0.3)
    assert deviation == pytest.approx(mean, rel=0.4)


async def test_a_pace_that_is_written_is_followed_at_once(state, free_port):
    """A client that was to come seldom comes at its whole rate when that is said, without starting anew."""
    runner = await serve(well, free_port)
    traffic.pace(state, {"iris": 0.1})
    with client(state, free_port) as process:
        await recorded(state, 20, process=process)
        seldom = records(state)
        traffic.pace(state, {})
        await recorded(state, len(seldom) + 100, process=process)
        await ended(process)
    await runner.cleanup()

    gap = lambda found: (found[-1]["scheduled"] - found[0]["scheduled"]) / (len(found) - 1)  # noqa: E731
    assert gap(seldom) > 4 * gap(records(state)[-80:])


async def test_a_stalled_server_does_not_slow_the_arrivals(state, free_port):
    """Open loop: while nothing is answered, requests go on being sent, and their wait is counted in full."""
    going_on = asyncio.Event()
    arrived: asyncio.Queue[None] = asyncio.Queue()

    async def stalled(request: web.Request) -> web.Response:
        arrived.put_nowait(None)
        await going_on.wait()
        return await well(request)

    runner = await serve(stalled, free_port)
    with client(state, free_port) as process:
        async with asyncio.timeout(60):
            for _ in range(40):
                await arrived.get()
        assert records(state) == []
        going_on.set()
        await recorded(state, 40, process=process)
        await ended(process)
    await runner.cleanup()

    assert all(record["ok"] for record in records(state))


async def test_ending_finishes_what_is_outstanding(state, free_port):
    """SIGTERM counts no request as failed: those under way are answered and recorded, no new one is sent."""
    going_on = asyncio.Event()
    arrived: asyncio.Queue[None] = asyncio.Queue()

    async def slow(request: web.Request) -> web.Response:
        arrived.put_nowait(None)
        await going_on.wait()
        return await well(request)

    runner = await serve(slow, free_port)
    with client(state, free_port) as process:
        async with asyncio.timeout(60):
            for _ in range(10):
                await arrived.get()
        ending = asyncio.create_task(ended(process))
        await asyncio.sleep(1)  # time for the signal to be heard
        late = arrived.qsize()
        await asyncio.sleep(1)  # in which 50 more would come
        assert arrived.qsize() == late
        going_on.set()
        assert await ending == 0
    await runner.cleanup()

    assert [record["ok"] for record in records(state)] == [True] * (10 + late)


async def test_failures_are_recorded_as_what_they_are(state, free_port):
    """A wrong status and an answer that is none are failures with their reason."""
    turn = 0

    async def failing(request: web.Request) -> web.Response:
        nonlocal turn
        turn += 1
        if turn % 2:
            return web.Response(status=503)
        await request.read()
        return web.json_response({"predictions": []})

    runner = await serve(failing, free_port)
    with client(state, free_port) as process:
        await recorded(state, 10, process=process)
        await ended(process)
    await runner.cleanup()

    found = records(state)
    assert not any(record["ok"] for record in found)
    assert {record["error"][:13] for record in found} == {"status 503", "not an answer"}


async def test_a_closed_door_is_a_failure_and_not_the_end(state, free_port):
    """Nobody listening is what a client of production would count, too; it goes on calling."""
    with client(state, free_port) as process:
        await recorded(state, 10, process=process)
        assert await ended(process) == 0

    assert all(record["status"] is None and "Connect" in record["error"] for record in records(state))


async def test_it_ends_by_itself(state, free_port):
    """A forgotten client does not call forever."""
    runner = await serve(well, free_port)
    with client(state, free_port, "--longest-seconds", "0.5") as process:
        assert await asyncio.to_thread(process.wait, 60) == 0
    await runner.cleanup()

    assert all(record["ok"] for record in records(state))
