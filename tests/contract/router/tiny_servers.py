"""Tiny model servers with faults, and a stand-in for the sentinel's word; real sockets, nothing mocked."""

import contextlib
import json
import random
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Backend:
    """An HTTP server that says its name, and fails as it is told.

    `fault` is one of: "" (answers), "30%" (500 for three of ten), "hang", "reset", or a status as text.
    """

    def __init__(self, name: str) -> None:
        """Listen on a free port of this machine."""
        self.name = name
        self.fault = ""
        self.seconds = 0.0
        self.served: list[float] = []
        self._server = _Server(self)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def status(self, path: str) -> int:
        """What to answer to a path."""
        del path
        fails = self.fault == "30%" and random.random() < 0.3
        return 500 if fails else int(self.fault) if self.fault.isdigit() else 200

    def close(self) -> None:
        """Stop listening and drop every connection, as a process that ends does."""
        self._server.shutdown()
        self._server.server_close()
        for connection in self._server.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Word(Backend):
    """Says 200 for armed attempts, as the sentinel does."""

    def __init__(self) -> None:
        """Begin without any."""
        self.armed: set[str] = set()
        super().__init__("word")

    def status(self, path: str) -> int:
        """Whether an attempt is armed."""
        return 200 if path.removeprefix("/armed/") in self.armed else 503


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.connections: list[socket.socket] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request, client_address):
        self.connections.append(request)
        super().process_request(request, client_address)

    def handle_error(self, request, client_address):
        """The router closes tries that it no longer needs; that is no error of the test."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self._read_body()
        backend = self.server.backend
        backend.served.append(time.time())
        time.sleep(20 if backend.fault == "hang" else backend.seconds)
        if backend.fault == "reset":
            self._reset()
        else:
            self._say(backend.status(self.path))

    do_GET = do_POST  # noqa: N815 -- the name that http.server looks for

    def _read_body(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        if self.headers.get("transfer-encoding") == "chunked":
            while (size := int(self.rfile.readline(), 16)) > 0:
                self.rfile.read(size + 2)
            size = 2
        self.rfile.read(size)

    def _say(self, status: int) -> None:
        body = json.dumps({"from": self.server.backend.name}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    print(Backend(sys.argv[1]).port, flush=True)
    threading.Event().wait()
