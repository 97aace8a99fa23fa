"""The lab's client: calls the models as production would, and records every request on its own.

    python -m turnout.lab.client STATE --target MODEL=URL [--target ...] [--rate 20]

Open loop: arrivals are a Poisson process and wait for nobody, so a stalled server does not slow its own
measurement down (coordinated omission). A record counts from the scheduled time. SIGTERM ends it: no new
requests, the outstanding ones are finished and recorded.
"""

import asyncio
import json
import random
import signal
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import click

from turnout.domain.contract import Contract
from turnout.fabric import contracts
from turnout.fabric.state import State
from turnout.lab import exchange

TIMEOUT_SECONDS = 30.0
LONGEST_SECONDS = 4 * 3600.0


@dataclass(frozen=True)
class Target:
    """One model as its client knows it.

    Attributes:
        contract: Its contract.
        url: Where it is called.
        ways: What is sent and what counts as an answer.
        rows: What requests are drawn from.
    """

    contract: Contract
    url: str
    ways: exchange.Ways
    rows: list[Any]


class Paces:
    """Shares of the client's rate by model, 1 where none is said: `paces.json`, read again when it changes.

    Args:
        file: The file; it need not be there.
    """

    def __init__(self, file: Path) -> None:
        """Nothing is read yet."""
        self._file, self._changed_ns, self._shares = file, 0, dict[str, float]()

    def of(self, model: str) -> float:
        """A model's share now."""
        with suppress(FileNotFoundError):
            if (changed_ns := self._file.stat().st_mtime_ns) != self._changed_ns:
                self._shares, self._changed_ns = json.loads(self._file.read_text()), changed_ns
        return self._shares.get(model, 1.0)


class Journal:
    """Records of one model, a JSON object a line; nothing is lost while the disk is full.

    Args:
        file: The file, appended to.
    """

    def __init__(self, file: Path) -> None:
        """Open the file."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("ab", buffering=0)
        self._kept = b""

    def add(self, record: dict[str, object]) -> None:
        """Write a record, and those kept before it."""
        self._kept += json.dumps(record).encode() + b"\n"
        try:
            while self._kept:
                self._kept = self._kept[self._file.write(self._kept) or 0 :]
        except OSError as error:
            print(f"records kept in memory: {error}", file=sys.stderr)  # noqa: T201 -- goes to the log


class Caller:
    """Calls one model until told to stop.

    Args:
        target: The model.
        journal: Where requests are recorded.
        rate: Requests a second, on average, at pace 1.
        paces: Its share of that.
        session: HTTP client.
        chance: Source of arrivals and payloads.
    """

    def __init__(
        self,
        target: Target,
        journal: Journal,
        *,
        rate: float,
        paces: Paces,
        session: aiohttp.ClientSession,
        chance: random.Random,
    ) -> None:
        """Nothing is sent yet."""
        self._target = target
        self._journal = journal
        self._rate = rate
        self._paces = paces
        self._session = session
        self._chance = chance
        self._outstanding: set[asyncio.Task[None]] = set()
        self._wall = time.time() - time.monotonic()  # a step of the clock must not bend latencies

    async def call(self, stop: asyncio.Event, until: float) -> None:
        """Send requests on schedule until `stop` or `until` (monotonic); then finish what is outstanding."""
        scheduled = time.monotonic()
        while True:
            scheduled += self._chance.expovariate(self._rate * self._paces.of(self._target.contract.model))
            if scheduled >= until or await _set_before(stop, scheduled):
                break
            task = asyncio.create_task(self._one(scheduled))
            self._outstanding.add(task)
            task.add_done_callback(self._outstanding.discard)
        if self._outstanding:
            await asyncio.wait(self._outstanding)

    async def _one(self, scheduled: float) -> None:
        rows = self._chance.choices(self._target.rows, k=self._chance.randint(1, self._target.ways.most_rows))
        identity = uuid.uuid4().hex
        sent = time.monotonic()
        status, wrong = await self._ask(identity, rows)
        self._journal.add(
            {
                "id": identity,
                "model": self._target.contract.model,
                "scheduled": self._wall + scheduled,
                "sent": self._wall + sent,
                "finished": self._wall + time.monotonic(),
                "status": status,
                "ok": wrong is None,
                "error": wrong,
            }
        )

    async def _ask(self, identity: str, rows: list[Any]) -> tuple[int | None, str | None]:
        body = self._target.ways.request(self._target.contract, rows)
        headers = {"content-type": "application/json", "x-request-id": identity}
        try:
            async with self._session.post(self._target.url, data=body, headers=headers) as answer:
                content = await answer.read()
                fault = self._target.ways.fault(self._target.contract, len(rows), answer.status, content)
                return answer.status, fault
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return None, f"{type(error).__name__}: {error}"


async def run(targets: list[Target], state: State, *, rate: float, longest_seconds: float) -> None:
    """Call every target until SIGTERM or SIGINT, or for the longest time."""
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    until = time.monotonic() + longest_seconds
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    connector = aiohttp.TCPConnector(limit=0)  # open loop: never wait for a connection to become free
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        paces = Paces(state.paces)
        callers = [
            Caller(
                each, Journal(state.client(each.contract.model)), rate=rate, paces=paces, session=session,
                chance=random.Random(),  # noqa: S311 -- arrivals, not secrets
            )
            for each in targets
        ]  # fmt: skip
        await asyncio.gather(*(caller.call(stop, until) for caller in callers))


async def _set_before(event: asyncio.Event, moment: float) -> bool:
    """Wait for an event until a moment (monotonic); returns whether it came."""
    if (seconds := moment - time.monotonic()) > 0 and not event.is_set():
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            pass
    return event.is_set()


def _target(state: State, argument: str) -> Target:
    model, _, url = argument.partition("=")
    payloads = json.loads(state.payloads(model).read_text())
    ways = exchange.WAYS[payloads.get("kind", exchange.TENSORS)]
    contract = contracts.load(state.estate / "contracts", model)
    return Target(contract, url, ways, payloads["rows"])


@click.command()
@click.argument("state", type=click.Path(path_type=Path, exists=True))
@click.option("--target", "targets", multiple=True, required=True, help="MODEL=URL")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), default=20.0, help="Requests/s a model.")
@click.option(
    "--longest-seconds", type=float, default=LONGEST_SECONDS, help="Ends by itself after this time."
)
def main(state: Path, targets: tuple[str, ...], rate: float, longest_seconds: float) -> None:
    """Call models through the router and record every request."""
    lab = State(state.resolve())
    found = [_target(lab, argument) for argument in targets]
    asyncio.run(run(found, lab, rate=rate, longest_seconds=longest_seconds))


if __name__ == "__main__":
    main()
