"""The gRPC side: Envoy's external processor in observability mode, which listens and never answers.

One stream an exchange: request headers, body pieces, answer headers, body pieces. Envoy waits for nothing
here, so whatever goes wrong in this program costs a capture and never a client's request.
"""

import random
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from envoy.service.ext_proc.v3.external_processor_pb2_grpc import (
    ExternalProcessorServicer,
    add_ExternalProcessorServicer_to_server,
)

from turnout.services.shadow.exchange import Assembly, Exchange
from turnout.services.shadow.origin import Attributes

LARGEST_BODY_BYTES = 1024 * 1024
"""A larger request or answer is not captured; 1 MiB is far above what a tabular model is sent."""

LONGEST_SECONDS = 120.0
"""An answer that still streams after this time is not captured: what holds it would be held for hours."""

LARGEST_MESSAGE_BYTES = 8 * 1024 * 1024
"""Above Envoy's own buffer limits, so that one large piece does not break the stream."""


class Receiver(ExternalProcessorServicer):  # type: ignore[misc]  # generated code has no types
    """Puts exchanges together and hands them on.

    Args:
        captured: Takes each whole exchange.
        dropped: Takes the model ("unknown" where it was not told) and why an exchange was not kept.
        chance: Draws in [0, 1) which exchanges the capture share leaves out, where the router cannot.
    """

    def __init__(
        self,
        captured: Callable[[Exchange], None],
        dropped: Callable[[str, str], None],
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Keep whom to tell."""
        self._captured = captured
        self._dropped = dropped
        self._chance = chance

    async def Process(self, request_iterator: AsyncIterator[Any], context: Any) -> None:  # noqa: ARG002, N802 -- gRPC's names
        """Take one exchange; in observability mode nothing is ever sent back."""
        assembly = Assembly(largest_body_bytes=LARGEST_BODY_BYTES)
        attributes, began = Attributes(), time.monotonic()
        drawn = self._chance()
        try:
            async for message in request_iterator:
                attributes.add(message.attributes)
                if drawn >= attributes.share():
                    break
                _piece(assembly, message, at_seconds=time.time())
                if assembly.complete or time.monotonic() - began > LONGEST_SECONDS:
                    break
        finally:  # also when the router ends the stream early: a client that left, or a pause of ours
            if drawn < attributes.share():
                self._hand_on(assembly, attributes)

    def _hand_on(self, assembly: Assembly, attributes: Attributes) -> None:
        origin = attributes.origin()
        reason = assembly.dropped_because or (None if origin else "route not told")
        if reason or origin is None:
            self._dropped(origin.model if origin else "unknown", f"not captured: {reason}")
        else:
            self._captured(assembly.exchange(origin, at_seconds=time.time()))


def _piece(assembly: Assembly, message: Any, *, at_seconds: float) -> None:
    """Hand one message of the stream to the assembly."""
    kind = message.WhichOneof("request")
    if kind == "request_headers":
        assembly.request_headers(_headers(message.request_headers), at_seconds=at_seconds)
    elif kind == "request_body":
        assembly.request_body(message.request_body.body)
    elif kind == "response_headers":
        assembly.response_headers(
            _headers(message.response_headers), end=message.response_headers.end_of_stream
        )
    elif kind == "response_body":
        assembly.response_body(message.response_body.body, end=message.response_body.end_of_stream)
    elif kind == "response_trailers":
        assembly.response_trailers()


def _headers(part: Any) -> dict[str, str]:
    """Envoy sends values as bytes; the older text field is filled by others."""
    return {h.key.lower(): h.raw_value.decode("utf-8", "replace") or h.value for h in part.headers.headers}


async def serve(receiver: Receiver, *, port: int, host: str = "127.0.0.1") -> grpc.aio.Server:
    """Listen on a port: of this machine alone, where the router is on it.

    Raises:
        RuntimeError: The port is taken.
    """
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", LARGEST_MESSAGE_BYTES),
            (
                "grpc.so_reuseport",
                0,
            ),  # a second shadow service must fail to start, not take half of the streams
        ]
    )
    add_ExternalProcessorServicer_to_server(receiver, server)
    server.add_insecure_port(f"{host}:{port}")
    await server.start()
    return server
