"""The sentinel's answers over real connections, as Envoy and careless clients make them."""

import socket
from contextlib import closing

import pytest

from turnout.services.sentinel.answers import LARGEST_REQUEST_BYTES, Answers, Board
from turnout.services.sentinel.clock import boot_seconds
from turnout.services.sentinel.leases import GuardLease
from turnout.services.sentinel.standing import Standing

CHECK = b"GET /armed/iris-1 HTTP/1.1\r\nhost: here\r\nuser-agent: Envoy/HC\r\n\r\n"


@pytest.fixture
def board():
    """A board with one armed attempt."""
    made = Board()
    lease = GuardLease(600.0).renewed(boot_seconds())
    made.put("iris-1", Standing(live=True, lease=lease, tell=lambda _: {"attempt": "iris-1"}))
    return made


@pytest.fixture
def connect(board):
    """Make connections to a server that is ended afterwards."""
    answers = Answers(board, port=0)
    answers.start()
    made = []

    def to():
        made.append(connection := socket.create_connection(("127.0.0.1", answers.port), timeout=30))
        return connection

    yield to
    for connection in made:
        connection.close()
    answers.stop()


def read(connection, count):
    """Read so many whole answers."""
    received = b""
    while received.count(b"}") < count:
        received += connection.recv(65536)
    return [part.split()[1] for part in received.split(b"HTTP/1.1")[1:] for part in [b"x " + part.strip()]]


def test_one_connection_carries_all_checks(connect, board):
    """Envoy keeps its connection; the answer changes between two checks on it."""
    connection = connect()
    connection.sendall(CHECK)
    assert read(connection, 1) == [b"200"]
    board.close()
    connection.sendall(CHECK)
    assert read(connection, 1) == [b"503"]


def test_requests_in_pieces_and_in_one_piece_are_the_same(connect):
    """A head that comes byte by byte is answered once; three at once are answered in order."""
    connection = connect()
    for byte in CHECK:
        connection.sendall(bytes([byte]))
    assert read(connection, 1) == [b"200"]
    other = b"GET /armed/iris-2 HTTP/1.1\r\nhost: here\r\n\r\n"
    connection.sendall(CHECK + other + CHECK)
    assert read(connection, 3) == [b"200", b"503", b"200"]


def test_many_connections_at_once_are_taken(connect):
    """A router that starts connects once for each candidate, all in one moment."""
    connections = [connect() for _ in range(200)]
    for connection in connections:
        connection.sendall(CHECK)
    assert {tuple(read(connection, 1)) for connection in connections} == {(b"200",)}


@pytest.mark.parametrize(
    "sent", [b"POST /armed/iris-1 HTTP/1.1\r\ncontent-length: 9\r\n\r\n", b"x" * (LARGEST_REQUEST_BYTES + 1)]
)
def test_what_is_no_question_ends_the_connection(connect, sent):
    """A body, or a head without an end, is not waited for."""
    with closing(connect()) as connection:
        connection.sendall(sent)
        while connection.recv(65536):
            pass
    good = connect()
    good.sendall(CHECK)
    assert read(good, 1) == [b"200"]


def test_a_server_that_is_ended_as_it_begins_ends():
    """However early the word comes, the thread does not stay."""
    for _ in range(50):
        answers = Answers(Board(), port=0)
        answers.start()
        answers.stop()
