import gzip

from turnout.domain.requests import Arm
from turnout.services.shadow.exchange import Assembly, Origin

ORIGIN = Origin(model="iris", attempt="iris-1", arm=Arm.LEGACY, answered_by=Arm.LEGACY)
REQUEST = {":method": "POST", ":path": "/v1/models/iris:predict", "content-type": "application/json"}


def test_pieces_become_what_the_client_sent_and_got():
    """Bodies streamed in pieces are put together in their order, with status, path and times."""
    assembly = Assembly(largest_body_bytes=100)
    assembly.request_headers(REQUEST, at_seconds=10.0)
    for piece in (b'{"inst', b'ances": []}'):
        assembly.request_body(piece)
    assembly.response_headers({":status": "200"}, end=False)
    assembly.response_body(b'{"pre', end=False)
    assert not assembly.complete
    assembly.response_body(b'dictions": []}', end=True)
    assert assembly.dropped_because is None
    exchange = assembly.exchange(ORIGIN, at_seconds=10.25)
    assert (exchange.request, exchange.response) == (b'{"instances": []}', b'{"predictions": []}')
    assert (exchange.status, exchange.method, exchange.path) == (200, "POST", "/v1/models/iris:predict")
    assert (exchange.started_seconds, exchange.duration_seconds) == (10.0, 0.25)


def test_a_compressed_answer_is_kept_as_it_was_meant():
    """One server compresses for the client and the other does not: the answers are still the same."""
    assembly = Assembly(largest_body_bytes=100)
    assembly.request_headers(REQUEST, at_seconds=0)
    assembly.response_headers({":status": "200", "content-encoding": "gzip"}, end=False)
    assembly.response_body(gzip.compress(b'{"predictions": [1]}'), end=True)
    assert assembly.dropped_because is None
    assert assembly.exchange(ORIGIN, at_seconds=1).response == b'{"predictions": [1]}'


def test_credentials_are_never_kept():
    """Only the headers that a replay needs are kept; authorization and cookies are not."""
    assembly = Assembly(largest_body_bytes=100)
    assembly.request_headers({**REQUEST, "authorization": "Bearer x", "cookie": "c=1"}, at_seconds=0)
    assembly.response_headers({":status": "204"}, end=True)
    assert assembly.exchange(ORIGIN, at_seconds=1).headers == {"content-type": "application/json"}


def test_a_body_beyond_the_limit_is_dropped_with_its_reason():
    """A body that is too large is not kept, and its memory is given up at once."""
    for large in ("request", "answer"):
        assembly = Assembly(largest_body_bytes=10)
        assembly.request_headers(REQUEST, at_seconds=0)
        assembly.request_body(b"x" * (11 if large == "request" else 10))
        assembly.response_headers({":status": "200"}, end=False)
        for _ in range(3):
            assembly.response_body(b"y" * (4 if large == "answer" else 3), end=False)
        assembly.response_body(b"", end=True)
        assert assembly.dropped_because == f"{large} too large"


def test_a_stream_that_ends_early_is_incomplete():
    """An exchange whose answer did not end is never taken for a whole one."""
    assembly = Assembly(largest_body_bytes=10)
    assert assembly.dropped_because == "incomplete"
    assembly.request_headers(REQUEST, at_seconds=0)
    assembly.response_headers({":status": "200"}, end=False)
    assembly.response_body(b"half", end=False)
    assert assembly.dropped_because == "incomplete"
    assembly.response_trailers()
    assert assembly.dropped_because is None
