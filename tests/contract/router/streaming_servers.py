"""A tiny model server that streams its answer (SSE), and breaks as it is told; real sockets."""

import json
import time
from http.server import BaseHTTPRequestHandler

from tests.contract.router.tiny_servers import Backend

PIECES = 8
"""Tokens of a whole answer."""


class Streamer(Backend):
    """Streams `PIECES` tokens, each with its own name in it, then `[DONE]`.

    Attributes:
        first_seconds: Before the first byte.
        pause_seconds: Between two tokens.
        padding: Added to each token, to make an answer large.
        breaks_after: Tokens after which it drops the connection; None: the answer ends whole.
    """

    def __init__(self, name: str) -> None:
        """Listen on a free port of this machine."""
        self.first_seconds, self.pause_seconds = 0.0, 0.05
        self.padding = ""
        self.breaks_after: int | None = None
        super().__init__(name)
        self._server.RequestHandlerClass = _Streaming


class _Streaming(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        backend = self.server.backend
        backend.served.append(time.time())
        time.sleep(20 if backend.fault == "hang" else backend.first_seconds)
        if backend.fault == "reset":
            self.close_connection = True
            return
        status = backend.status(self.path)
        self.send_response(status)
        self.send_header("content-type", "text/event-stream" if status == 200 else "application/json")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        if status == 200:
            self._stream(backend)

    def _stream(self, backend: Streamer) -> None:
        for number in range(PIECES):
            if number == backend.breaks_after:
                self.close_connection = True
                return
            self._piece(json.dumps({"from": backend.name, "token": number, "padding": backend.padding}))
            time.sleep(backend.pause_seconds)
        self._piece("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _piece(self, text: str) -> None:
        event = f"data: {text}\n\n".encode()
        self.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        self.wfile.flush()

    def log_message(self, *_args: object) -> None:
        """Say nothing."""
