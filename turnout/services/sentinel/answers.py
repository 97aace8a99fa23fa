"""What the sentinel answers over HTTP: to the router whether a candidate is armed, to flows how it stands.

The router asks twice a second for every candidate, so at 1,000 routes 2,000 times a second: a bare protocol
on its own loop and thread, with ready-made answers. The answer is worked out when it is asked for, from the
lease and the clock: a round that hangs, or a disk that hangs it, disarms by doing nothing.
"""

import asyncio
import json
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import uvloop

from turnout.services.sentinel import clock
from turnout.services.sentinel.standing import Standing

LARGEST_REQUEST_BYTES = 16 * 1024
"""More than any question that is answered here; a connection that sends more is closed."""

HUNG_SECONDS = 30.0
"""Without the end of a round for so long, the process says that it is ill, and its keeper may replace it."""

_BACKLOG = 4096
"""All of the router's connections come at once when it starts, one for each candidate."""


class Board:
    """The latest standing of every attempt; written by the round, read by the answering thread.

    Args:
        leads: Whether this sentinel is the one that guards; asked anew for every answer.
    """

    def __init__(self, leads: Callable[[], bool] = lambda: True) -> None:
        """Begin with no attempt."""
        self._leads = leads
        self._standings: dict[str, Standing] = {}
        self._closed = False
        self._round_at = clock.boot_seconds()

    def put(self, attempt: str, standing: Standing) -> None:
        """Show a standing from now on; one assignment, so that a reader has the old one or the new one."""
        self._standings[attempt] = standing

    def close(self) -> None:
        """Disarm everything for good: the first thing at the end."""
        self._closed = True

    def round_ended(self) -> None:
        """Note that a round has ended; the first one counts from the start."""
        self._round_at = clock.boot_seconds()

    def healthy(self) -> bool:
        """Whether rounds are being gone."""
        return clock.boot_seconds() - self._round_at < HUNG_SECONDS

    def armed(self, attempt: str) -> bool:
        """Whether the router may send this attempt's candidate traffic now."""
        standing = self._standings.get(attempt)
        if self._closed or standing is None or not standing.live:
            return False
        return self._leads() and standing.lease.fresh(clock.boot_seconds())

    def attempt(self, attempt: str) -> dict[str, Any] | None:
        """All that is known of an attempt, or None."""
        standing = self._standings.get(attempt)
        return None if standing is None else {**standing.tell(clock.read()), "armed": self.armed(attempt)}

    def attempts(self) -> dict[str, Any]:
        """All attempts by id."""
        return {attempt: self.attempt(attempt) for attempt in list(self._standings)}


def _answer(status: HTTPStatus, document: dict[str, Any], *, closing: bool = False) -> bytes:
    body = json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", "content-type: application/json"]
    lines += [f"content-length: {len(body)}", *(["connection: close"] if closing else []), "", ""]
    return "\r\n".join(lines).encode() + body


_ARMED = _answer(HTTPStatus.OK, {"armed": True})
_UNARMED = _answer(HTTPStatus.SERVICE_UNAVAILABLE, {"armed": False})
_HEALTHY = _answer(HTTPStatus.OK, {"ok": True})
_HUNG = _answer(HTTPStatus.SERVICE_UNAVAILABLE, {"ok": False, "error": "no round has ended for 30 s"})
_REFUSED = _answer(HTTPStatus.BAD_REQUEST, {"error": "only GET is answered here"}, closing=True)
_CHECK = b"GET /armed/"


def respond(board: Board, head: bytes) -> bytes:
    """The answer to the head of `GET /armed/ATTEMPT`, `/attempts/ATTEMPT`, `/attempts` or `/healthz`."""
    if head.startswith(_CHECK):
        return _ARMED if board.armed(_attempt_in(head)) else _UNARMED
    method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
    if method != b"GET":
        return _REFUSED
    path = rest.partition(b" ")[0].decode("ascii", "replace")
    _, kind, attempt = (*path.partition("?")[0].split("/", 2), "", "")[:3]
    if kind == "attempts" and not attempt:
        return _answer(HTTPStatus.OK, board.attempts())
    if kind == "attempts" and (document := board.attempt(attempt)):
        return _answer(HTTPStatus.OK, document)
    if kind == "healthz":
        return _HEALTHY if board.healthy() else _HUNG
    return _answer(HTTPStatus.NOT_FOUND, {"error": f"nothing at {path}"})


def _attempt_in(head: bytes) -> str:
    end = head.find(b" ", len(_CHECK))
    return head[len(_CHECK) : end].partition(b"?")[0].decode("ascii", "replace")


class _Connection(asyncio.Protocol):
    """One connection: any number of requests without bodies, answered in order."""

    def __init__(self, board: Board, connections: set[asyncio.Transport]) -> None:
        """Begin with nothing received."""
        self._board = board
        self._connections = connections
        self._received = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport
        self._connections.add(self._transport)

    def connection_lost(self, _error: Exception | None) -> None:
        """Forget the transport."""
        self._connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request whose head has come whole."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0 and not self._transport.is_closing():
            head, self._received = self._received[:end], self._received[end + 4 :]
            answer = respond(self._board, head)
            self._transport.write(answer)
            if answer is _REFUSED or _wants_close(head):
                self._transport.close()
        if len(self._received) > LARGEST_REQUEST_BYTES:
            self._transport.close()


def _wants_close(head: bytes) -> bool:
    line, _, headers = head.partition(b"\r\n")
    return line.endswith(b"HTTP/1.0") or b"connection: close" in headers.lower()


class Answers:
    """The HTTP server.

    Args:
        board: What to answer from.
        port: TCP port; 0 picks a free one.
        host: Address to listen on: this machine's own where the router is on it.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, board: Board, *, port: int, host: str = "127.0.0.1") -> None:
        """Listen."""
        self._socket = socket.create_server((host, port), backlog=_BACKLOG)
        self._board = board
        self._loop = uvloop.new_event_loop()
        self._open: set[asyncio.Transport] = set()
        self._begun = threading.Event()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="answers", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        found: int = self._socket.getsockname()[1]
        return found

    def start(self) -> None:
        """Answer from now on; a loop that was told to end before it had begun might never hear of it."""
        self._thread.start()
        self._begun.wait()

    def stop(self) -> None:
        """Stop listening."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._begun.set()  # also where it could not begin: whoever starts it must not wait for ever
            self._loop.close()

    async def _serve(self) -> None:
        server = await self._loop.create_server(
            lambda: _Connection(self._board, self._open), sock=self._socket, backlog=_BACKLOG
        )
        self._begun.set()
        await self._ended.wait()
        # All is closed before the loop is: uvloop warns of what is not, and hangs where warnings are errors.
        server.close()
        for transport in tuple(self._open):
            transport.abort()
        await asyncio.sleep(0)
