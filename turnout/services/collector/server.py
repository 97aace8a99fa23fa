"""OpenTelemetry's logs service over gRPC: what the proxies send their access logs to."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import (
    LogsServiceServicer,
    add_LogsServiceServicer_to_server,
)

from turnout.services.collector.inbox import Inbox, Record

PORT = 4317
"""Of OTLP over gRPC."""
LARGEST_BATCH_BYTES = 4 * 1024 * 1024
"""A proxy sends its buffer of 16 KiB, or what came in 0.1 s."""
LARGEST_BATCH_RECORDS = 20_000
_AT_ONCE = 2
_SETTLE_SECONDS = 0.1
_POD, _NODE = "k8s.pod.name", "node_name"


class Receiver(LogsServiceServicer):
    """Hands batches on.

    Args:
        inbox: Takes the records.
    """

    def __init__(self, inbox: Inbox) -> None:
        """Keep whom to tell."""
        self._inbox = inbox

    def Export(self, request: Any, context: Any) -> ExportLogsServiceResponse:  # noqa: N802 -- gRPC's name
        """Take one batch; one that is too large is refused as a whole."""
        count = sum(len(scope.log_records) for each in request.resource_logs for scope in each.scope_logs)
        if count > LARGEST_BATCH_RECORDS:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{count} records in one batch")
        self._inbox.take(_records(request))
        return ExportLogsServiceResponse()


class Server:
    """The service, on a port, for as long as it is wanted.

    Args:
        inbox: Takes the records.
        port: TCP port; 0 picks a free one.
        host: Address to listen on.

    Raises:
        RuntimeError: The port is taken.
    """

    def __init__(self, inbox: Inbox, *, port: int = PORT, host: str = "127.0.0.1") -> None:
        """Listen."""
        options = [("grpc.max_receive_message_length", LARGEST_BATCH_BYTES), ("grpc.so_reuseport", 0)]
        self._server = grpc.server(ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="otlp"), options=options)
        add: Any = add_LogsServiceServicer_to_server  # generated code has no types
        add(Receiver(inbox), self._server)
        self.port: int = self._server.add_insecure_port(f"{host}:{port}")
        self._inbox = inbox
        self._stop = threading.Event()
        self._settling = threading.Thread(target=self._settle, name="settling", daemon=True)

    def start(self) -> None:
        """Take records from now on."""
        self._server.start()
        self._settling.start()

    def stop(self) -> None:
        """End it: connections are closed, so that proxies turn to whoever leads next."""
        self._server.stop(grace=None).wait()
        self._stop.set()
        self._settling.join()

    def _settle(self) -> None:
        while not self._stop.wait(_SETTLE_SECONDS):
            self._inbox.settle()


def _records(request: Any) -> Iterator[Record]:
    for each in request.resource_logs:
        node = _texts(each.resource.attributes).get(_NODE, "")
        for scope in each.scope_logs:
            for record in scope.log_records:
                attributes = _texts(record.attributes)
                yield Record(attributes.get(_POD) or node, attributes)


def _texts(attributes: Any) -> dict[str, str]:
    """The attributes that are texts; Envoy sends no others."""
    return {one.key: one.value.string_value for one in attributes}
