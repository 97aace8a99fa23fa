import json

import pytest

from turnout.services.sentinel import clock
from turnout.services.sentinel.answers import HUNG_SECONDS, Board, respond
from turnout.services.sentinel.clock import boot_seconds
from turnout.services.sentinel.leases import GuardLease
from turnout.services.sentinel.standing import Standing, unguarded


@pytest.fixture
def board():
    """A board with one attempt whose lease was renewed just now."""
    made = Board()
    lease = GuardLease(60.0).renewed(boot_seconds())
    made.put("iris-1", Standing(live=True, lease=lease, tell=lambda _: {"attempt": "iris-1"}))
    return made


def test_only_a_live_attempt_with_a_fresh_lease_is_armed(board):
    """Unknown, over, or with a lease that ran out: not armed."""
    assert board.armed("iris-1")
    assert not board.armed("iris-2")
    over = GuardLease(60.0).renewed(boot_seconds())
    board.put("iris-3", Standing(live=False, lease=over, tell=lambda _: {}))
    assert not board.armed("iris-3")
    board.put(
        "iris-4", Standing(live=True, lease=GuardLease(1.0).renewed(boot_seconds() - 2), tell=lambda _: {})
    )
    assert not board.armed("iris-4")
    assert {a: d["armed"] for a, d in board.attempts().items()} == {
        "iris-1": True, "iris-3": False, "iris-4": False,
    }  # fmt: skip


def test_the_end_disarms_everything_first(board):
    """Once it is closed nothing is armed, whatever is put up afterwards."""
    board.close()
    assert not board.armed("iris-1")
    assert not board.attempt("iris-1")["armed"]


def test_an_attempt_that_cannot_be_guarded_is_not_armed(board, make_route):
    """Without a contract there are no bounds to guard by; the answer says why."""
    board.put("iris-1", unguarded(make_route(), "no contract"))
    assert not board.armed("iris-1")
    assert board.attempt("iris-1")["hold"] == "no contract"
    assert board.attempt("iris-9") is None


def test_a_process_whose_rounds_hang_says_that_it_is_ill(board, monkeypatch):
    """Its keeper may replace it; a round that ends makes it well again."""
    assert respond(board, b"GET /healthz HTTP/1.1").startswith(b"HTTP/1.1 200 ")
    later = boot_seconds() + HUNG_SECONDS
    monkeypatch.setattr(clock, "boot_seconds", lambda: later)
    assert respond(board, b"GET /healthz HTTP/1.1").startswith(b"HTTP/1.1 503 ")
    board.round_ended()
    assert respond(board, b"GET /healthz HTTP/1.1").startswith(b"HTTP/1.1 200 ")


def test_what_the_router_and_the_flows_ask_for_is_answered(board):
    """The check by status alone, the standings as JSON, anything else refused."""
    assert respond(board, b"GET /armed/iris-1 HTTP/1.1\r\nhost: x").startswith(b"HTTP/1.1 200 ")
    assert respond(board, b"GET /armed/iris-1?x=1 HTTP/1.1").startswith(b"HTTP/1.1 200 ")
    assert respond(board, b"GET /armed/iris-2 HTTP/1.1").startswith(b"HTTP/1.1 503 ")
    assert respond(board, b"GET /armed/\xff\x00 HTTP/1.1").startswith(b"HTTP/1.1 503 ")
    told = respond(board, b"GET /attempts/iris-1 HTTP/1.1").partition(b"\r\n\r\n")[2]
    assert json.loads(told) == {"attempt": "iris-1", "armed": True}
    every = respond(board, b"GET /attempts HTTP/1.1").partition(b"\r\n\r\n")[2]
    assert json.loads(every).keys() == {"iris-1"}
    for head, status in (
        (b"GET /attempts/iris-9 HTTP/1.1", b"404"),
        (b"GET / HTTP/1.1", b"404"),
        (b"POST /armed/iris-1 HTTP/1.1", b"400"),
        (b"\x16\x03\x01", b"400"),
    ):
        assert respond(board, head).split()[1] == status
