"""Tiny model servers for the live benchmarks: many ports in one light process, with faults on command.

Started by the benchmarks as `python bench/model_servers.py PORT ...`. Commands are JSON objects, one a line
of standard input: `{"port": 20001, "fault": "fail" | "hang" | "none", "at": 1700000000.0}` sets what a server
does with requests that arrive from a Unix time on. When standard input ends, what each server saw is printed
as one JSON object by port.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass

import uvloop

_BODY = b'{"predictions":[1.0]}'
_HEAD = "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n"
GOOD = _HEAD.format("200 OK", len(_BODY)).encode() + _BODY
BAD = _HEAD.format("500 Internal Server Error", 2).encode() + b"{}"


@dataclass
class Seen:
    """What one server does and saw.

    Attributes:
        fault: What it does with requests from `fault_at` on.
        fault_at: Unix time; infinite while it is healthy.
        requests: Requests so far.
        faulty: Requests that it failed or let hang.
        first_fault_at: When the first request came that it failed or let hang; None: never.
        last_at: When the last request came; None: never.
    """

    fault: str = "none"
    fault_at: float = float("inf")
    requests: int = 0
    faulty: int = 0
    first_fault_at: float | None = None
    last_at: float | None = None


class _Connection(asyncio.Protocol):
    """One connection: requests with a content-length, answered in order."""

    def __init__(self, seen: Seen) -> None:
        """Begin with nothing received."""
        self._seen = seen
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment] -- TCP transports write

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self._received += data
        while (length := whole_length(self._received)) is not None:
            self._received = self._received[length:]
            self._answer()

    def _answer(self) -> None:
        seen, now = self._seen, time.time()
        seen.requests += 1
        seen.last_at = now
        faulty = now >= seen.fault_at and seen.fault != "none"
        seen.faulty += faulty
        if faulty and seen.first_fault_at is None:
            seen.first_fault_at = now
        if self._transport and not (faulty and seen.fault == "hang"):
            self._transport.write(BAD if faulty else GOOD)


def whole_length(received: bytes) -> int | None:
    """Bytes of the first message when all of it has come: head and a body of its content-length."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    at = received[:end].lower().find(b"content-length: ")
    body = int(received[at + 16 : received.find(b"\r", at)]) if at >= 0 else 0
    whole = end + 4 + body
    return whole if len(received) >= whole else None


async def _serve(ports: list[int]) -> None:
    loop = asyncio.get_running_loop()
    servers = {port: Seen() for port in ports}
    for port, seen in servers.items():
        await loop.create_server(lambda seen=seen: _Connection(seen), "127.0.0.1", port, backlog=1024)  # type: ignore[misc] -- bound now
    print("ready", flush=True)
    stdin = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    while line := await stdin.readline():
        command = json.loads(line)
        servers[command["port"]].fault = command["fault"]
        servers[command["port"]].fault_at = command["at"]
    print(json.dumps({port: asdict(seen) | {"fault_at": None} for port, seen in servers.items()}), flush=True)


if __name__ == "__main__":
    uvloop.run(_serve([int(port) for port in sys.argv[1:]]))
