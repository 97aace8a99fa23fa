"""Requests sent when they are due, to a real server that answers as it is told."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.waiting import until
from turnout.domain.load import judged
from turnout.fabric import open_loop


class Server(ThreadingHTTPServer):
    """Counts what it gets; `stands` is what each answer waits for, `status` what it says."""

    def __init__(self) -> None:
        """Answer at once."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.daemon_threads = True
        self.request_queue_size = 128
        self.stands = threading.Event()
        self.stands.set()
        self.status, self.bodies = 200, []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.server.stands.wait(20)
        self.send_response(self.server.status)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of its own threads."""
    made = Server()
    serving = threading.Thread(target=made.serve_forever, daemon=True)
    serving.start()
    yield made
    made.stands.set()
    made.shutdown()
    made.server_close()
    serving.join(10)


def test_as_many_are_sent_as_were_due_with_every_body_in_turn(server):
    """Bounded in rate and time: not one more."""
    sent = open_loop.send(server.url, [b"1", b"2"], rate=20, seconds=1, within_seconds=10)
    assert len(sent) == len(server.bodies) == 20
    assert sorted(server.bodies) == [b"1"] * 10 + [b"2"] * 10
    assert sorted(one.due_seconds for one in sent) == pytest.approx([n / 20 for n in range(20)])
    assert all(one.latency_seconds is not None and one.latency_seconds >= 0 for one in sent)


def test_a_stalled_server_is_slow_for_all_that_were_due_meanwhile(server):
    """It is asked on although it does not answer, and each latency counts from when its request was due."""
    server.stands.clear()

    def recover():
        until(lambda: len(server.bodies) == 20, "a request that was due last")
        time.sleep(0.6)
        server.stands.set()

    recovering = threading.Thread(target=recover)
    recovering.start()
    sent = open_loop.send(server.url, [b"1"], rate=20, seconds=1, within_seconds=15)
    recovering.join()
    assert len(server.bodies) == len(sent) == 20
    for one in sent:
        assert one.latency_seconds is not None
        assert one.latency_seconds >= 1.5 - one.due_seconds  # the last was due at 0.95 s
    assert not judged(20, sent, bound_seconds=0.5, errors=0.01).sustained


def test_errors_hangs_and_closed_doors_are_no_answers(server, free_port):
    """A status of the server's own, an answer that is late, and nobody there: failed, and no crash."""
    server.status = 503
    assert answered(server.url, within_seconds=5) == {None}
    server.stands.clear()
    assert answered(server.url, within_seconds=0.2) == {None}
    assert answered(f"http://127.0.0.1:{free_port}/", within_seconds=5) == {None}


def answered(url, *, within_seconds):
    """When a few requests were answered."""
    sent = open_loop.send(url, [b"1"], rate=5, seconds=1, within_seconds=within_seconds)
    return {one.answered_seconds for one in sent}


def test_a_dead_server_is_not_buried(server, monkeypatch):
    """Beyond a bound of outstanding requests one more is not sent, and counts as failed."""
    monkeypatch.setattr(open_loop, "MOST_OUTSTANDING", 4)
    server.stands.clear()
    sent = open_loop.send(server.url, [b"1"], rate=40, seconds=0.5, within_seconds=1)
    assert len(sent) == 20
    assert len(server.bodies) <= 8
    assert {one.answered_seconds for one in sent} == {None}
