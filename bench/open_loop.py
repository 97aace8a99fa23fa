"""Open-loop Poisson clients for the live benchmarks: many routes in one light process.

Started by the benchmarks as `python bench/open_loop.py RATE PORT ...`, RATE in requests a second and port;
`--host ADDRESS` is where, `--request FILE` holds the whole of another request to send, `--kept N` is how many
connections a route keeps, `--longest N` how many seconds of an answer are waited for at the end, `--bodies`
also tells when which body was answered.
Requests are sent when they are due, whatever became of earlier ones, each on a connection that is free. When
standard input ends, no more is sent, what is outstanding is waited for, and one JSON object is printed:
requests sent, by port the failures with their moments, and latencies from the moment a request was due.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from model_servers import whole_length

_BODY = b'{"instances":[[1.0,2.0]]}'
REQUEST = (
    b"POST /v1/models/any:predict HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n" % len(_BODY)
) + _BODY
_HOST = "127.0.0.1"
_LONGEST_SECONDS = 40.0
"""Longer than any request limit of the routes: without an answer by then a request has failed."""
_KEPT = 4
"""Connections that a route keeps open; what a stall made more of is closed again."""

_MOST = 2000
"""Requests outstanding at once, over all routes; one more is a failure, and not one more connection: a router
that is starved of its processor would else run out of file descriptors."""

_REPORTED = 200_000
"""Latencies kept, the newest."""


@dataclass
class Told:
    """What the clients of one route saw."""

    sent: int = 0
    failures: list[tuple[float, str]] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    bodies: dict[str, list[float]] | None = None


class _Connection(asyncio.Protocol):
    """One connection, one request at a time; back among the free ones after an answer that lets it."""

    def __init__(self, route: "Route") -> None:
        """Begin with nothing sent."""
        self._route = route
        self._received = b""
        self._due: float | None = None
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment] -- TCP transports write

    def send(self, due: float) -> None:
        """Send one request."""
        self._due = due
        if self._transport:
            self._transport.write(self._route.request)

    def data_received(self, data: bytes) -> None:
        """Take an answer in."""
        self._received += data
        length = whole_length(self._received)
        if length is None or self._due is None:
            return
        status, due = self._received[9:12], self._due
        self._route.read(self._received[:length])
        kept = b"\r\nconnection: close\r\n" not in self._received[:length].lower()
        self._received, self._due = self._received[length:], None
        self._route.answered(due, None if status == b"200" else f"status {status.decode()}")
        if kept and len(self._route.free) < self._route.kept:
            self._route.free.append(self)
        elif self._transport:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """A request under way has failed."""
        if self in self._route.free:
            self._route.free.remove(self)
        if self._due is not None:
            self._route.answered(self._due, f"connection lost: {exc or 'closed'}")


class Route:
    """The clients of one route.

    Args:
        port: Where they call.
        rate: Requests a second.
        everyone: All routes, this one too.
        request: What is sent.
        kept: Connections that are kept open.
        host: The address that the port is of.
        bodies: Whether to keep when which body was answered.
    """

    def __init__(
        self,
        port: int,
        rate: float,
        everyone: "list[Route]",
        request: bytes = REQUEST,
        *,
        kept: int = _KEPT,
        host: str = _HOST,
        bodies: bool = False,
    ) -> None:
        """Send nothing yet."""
        self.request, self.kept, self.host = request, kept, host
        self._all = everyone
        self.port = port
        self.told = Told(bodies={} if bodies else None)
        self.free: list[_Connection] = []
        self.outstanding = 0
        self._rate = rate
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._stopped = False

    def start(self) -> None:
        """Send from now on."""
        self._next(self._loop.time())

    def stop(self) -> None:
        """Send no more."""
        self._stopped = True

    def _next(self, after: float) -> None:
        due = after + random.expovariate(self._rate)
        self._loop.call_at(due, self._send, due)

    def _send(self, due: float) -> None:
        if self._stopped:
            return
        self._next(due)
        self.told.sent += 1
        self.outstanding += 1
        if self.free:
            self.free.pop().send(due)
            return
        if sum(route.outstanding for route in self._all) > _MOST:
            self.answered(due, f"{_MOST} requests outstanding")
            return
        task = self._loop.create_task(self._connect(due))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, due: float) -> None:
        try:
            _, connection = await self._loop.create_connection(
                lambda: _Connection(self), self.host, self.port
            )
        except OSError as error:
            self.answered(due, f"no connection: {error}")
        else:
            connection.send(due)

    def read(self, answer: bytes) -> None:
        """A whole answer has come."""
        if self.told.bodies is not None:
            body = answer.partition(b"\r\n\r\n")[2].decode(errors="replace")
            self.told.bodies.setdefault(body, []).append(time.time())

    def answered(self, due: float, failure: str | None) -> None:
        """A request has ended."""
        self.outstanding -= 1
        if failure:
            self.told.failures.append((time.time(), failure))
        elif len(self.told.latencies) < _REPORTED:
            self.told.latencies.append(self._loop.time() - due)


async def _run(
    rate: float, ports: list[int], *, request: bytes, kept: int, longest: float, host: str, bodies: bool
) -> None:
    routes: list[Route] = []
    routes += [Route(port, rate, routes, request, kept=kept, host=host, bodies=bodies) for port in ports]
    for route in routes:
        route.start()
    print("ready", flush=True)
    stdin = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    await stdin.read()
    for route in routes:
        route.stop()
    until = loop.time() + longest
    while any(route.outstanding for route in routes) and loop.time() < until:  # noqa: ASYNC110 -- or too late
        await asyncio.sleep(0.05)
    print(json.dumps(_report(routes)), flush=True)


def _report(routes: list[Route]) -> dict[str, object]:
    bodies = {route.port: route.told.bodies for route in routes if route.told.bodies is not None}
    told = {"bodies": bodies} if bodies else {}
    return told | {
        "sent": sum(route.told.sent for route in routes),
        "unanswered": sum(route.outstanding for route in routes),
        "failures": {route.port: route.told.failures for route in routes if route.told.failures},
        "latencies": sorted(one for route in routes for one in route.told.latencies),
    }


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rate", type=float)
    parser.add_argument("ports", type=int, nargs="+")
    parser.add_argument("--host", default=_HOST)
    parser.add_argument("--request", type=Path)
    parser.add_argument("--kept", type=int, default=_KEPT)
    parser.add_argument("--longest", type=float, default=_LONGEST_SECONDS)
    parser.add_argument("--bodies", action="store_true")
    asked = parser.parse_args()
    request = asked.request.read_bytes() if asked.request else REQUEST
    given = {"request": request, "kept": asked.kept, "longest": asked.longest, "host": asked.host}
    uvloop.run(_run(asked.rate, asked.ports, **given, bodies=asked.bodies))


if __name__ == "__main__":
    _main()
