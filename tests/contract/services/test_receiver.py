import asyncio
import contextlib

import grpc
import pytest
from envoy.config.core.v3.base_pb2 import HeaderMap, HeaderValue
from envoy.service.ext_proc.v3.external_processor_pb2 import HttpBody, HttpHeaders, ProcessingRequest
from envoy.service.ext_proc.v3.external_processor_pb2_grpc import ExternalProcessorStub

from turnout.domain.requests import Arm
from turnout.services.shadow.receiver import LARGEST_BODY_BYTES, Receiver, serve

FILTER = "envoy.filters.http.ext_proc"
ROUTE = "candidate;model=iris;attempt=iris-1;version=iris-1.7;weight=0.1;captured=yes"
HOST = 'filter_metadata { key: "turnout" value { fields { key: "arm" value { string_value: "legacy" } } } }'


@pytest.fixture
async def receiver(free_port):
    """A listening receiver; yields a way to stream to it, what it captured and what it dropped."""
    captured, dropped = [], []
    server = await serve(Receiver(captured.append, lambda *what: dropped.append(what)), port=free_port)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{free_port}") as channel:
        yield ExternalProcessorStub(channel), captured, dropped
    await server.stop(0)


def headers(**values):
    """Headers as Envoy sends them."""
    listed = [HeaderValue(key=k.replace("_", ":"), raw_value=v.encode()) for k, v in values.items()]
    return HeaderMap(headers=listed)


def messages(body=b'{"instances": []}', *, route=ROUTE, end=True):
    """One exchange as Envoy streams it."""
    asked = ProcessingRequest(
        request_headers=HttpHeaders(headers=headers(_method="POST", _path="/v1/models/iris:predict"))
    )
    asked.attributes[FILTER].fields["xds.route_name"].string_value = route
    answered = ProcessingRequest(response_headers=HttpHeaders(headers=headers(_status="200")))
    answered.attributes[FILTER].fields["xds.upstream_host_metadata"].string_value = HOST
    yield asked
    for start in range(0, len(body), 65_536):
        yield ProcessingRequest(request_body=HttpBody(body=body[start : start + 65_536]))
    yield answered
    yield ProcessingRequest(response_body=HttpBody(body=b'{"predictions"'))
    yield ProcessingRequest(response_body=HttpBody(body=b": []}", end_of_stream=end))


async def stream(stub, sent):
    """Stream one exchange and wait until the receiver has ended it; it must never answer."""
    call = stub.Process(iter(sent))
    assert [answer async for answer in call] == []


async def test_an_exchange_is_captured_with_its_origin(receiver):
    """Request, answer, the arm that was chosen and the one that answered: all as the router told it."""
    stub, captured, dropped = receiver
    await stream(stub, messages())
    (one,) = captured
    assert (one.request, one.response, one.status) == (b'{"instances": []}', b'{"predictions": []}', 200)
    assert (one.origin.model, one.origin.attempt) == ("iris", "iris-1")
    assert (one.origin.arm, one.origin.answered_by) == (Arm.CANDIDATE, Arm.LEGACY)
    assert dropped == []


async def test_what_cannot_be_kept_is_counted_with_its_reason(receiver):
    """Too large, of no route of ours, cut short: dropped and said, and the next exchange is captured."""
    stub, captured, dropped = receiver
    await stream(stub, messages(b"x" * (LARGEST_BODY_BYTES + 1)))
    await stream(stub, messages(route="somebody-else"))
    await stream(stub, messages(end=False))
    assert captured == []
    assert dropped == [
        ("iris", "not captured: request too large"),
        ("unknown", "not captured: route not told"),
        ("iris", "not captured: incomplete"),
    ]
    await stream(stub, messages())
    assert len(captured) == 1


async def test_a_stream_that_breaks_is_counted(receiver):
    """A router that ends in the middle of an exchange leaves nothing behind but a count."""
    stub, captured, dropped = receiver

    async def endless():
        yield next(messages())
        await asyncio.sleep(60)

    call = stub.Process(endless())
    reading = asyncio.ensure_future(call.read())
    await asyncio.sleep(0.2)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    for _ in range(100):
        if dropped:
            break
        await asyncio.sleep(0.02)
    assert dropped == [("iris", "not captured: incomplete")]
    assert captured == []


async def test_an_answer_that_streams_for_long_is_let_go(receiver, monkeypatch):
    """It is not held for hours: after its time the exchange is dropped, and said to be."""
    stub, captured, dropped = receiver
    monkeypatch.setattr("turnout.services.shadow.receiver.LONGEST_SECONDS", 0.3)

    async def tokens():
        *begun, _ = messages()
        for message in begun:
            yield message
        while True:
            await asyncio.sleep(0.05)
            yield ProcessingRequest(response_body=HttpBody(body=b"data: token"))

    call = stub.Process(tokens())
    async with asyncio.timeout(20):
        with contextlib.suppress(grpc.aio.AioRpcError):  # we were still sending when it was let go
            assert await call.read() is grpc.aio.EOF
    assert dropped == [("iris", "not captured: incomplete")]
    assert captured == []


async def test_a_port_that_is_taken_is_an_error(receiver, free_port):
    """Two shadow services on one port would each see half; the second one does not start."""
    del receiver
    with pytest.raises(RuntimeError):
        await serve(Receiver(lambda _: None, lambda *_: None), port=free_port)
