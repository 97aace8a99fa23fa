"""Tiny V1 model servers with faults; real sockets. The model adds up the numbers of each row."""

import json
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Model:
    """One server.

    Attributes:
        failing: Share of requests that it answers with 500.
        offset: Added to every answer: 0 is right.
        seconds: Time that an answer takes.
        clients: Moments at which it was asked by a client of the router.
        replays: Moments at which it was asked by a replay.
    """

    handler: type | None = None

    def __init__(self):
        """Listen on a free port of this machine."""
        self.failing, self.offset, self.seconds = 0.0, 0.0, 0.0
        self.clients: list[float] = []
        self.replays: list[float] = []
        handler = type("Handler", (self.handler or _Handler,), {"model": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def document(self, asked):
        """The answer to a request's parsed body."""
        return {"predictions": self.answer(asked["instances"])}

    def answer(self, rows):
        """What a right server says."""
        return [sum(row) + self.offset for row in rows]

    def close(self):
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    model: Model

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        asked = self.model.replays if self.headers.get("x-turnout-replay") else self.model.clients
        asked.append(time.time())
        time.sleep(self.model.seconds)
        if random.random() < self.model.failing:
            self._say(500, {"error": "failing, as told"})
        else:
            self._say(200, self.model.document(json.loads(body)))

    def _say(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        """Say nothing."""
