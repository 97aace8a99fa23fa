"""The logs service takes what an OpenTelemetry client sends, and refuses what is too much."""

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub

from tests.unit.router.proxy_records import DOOR, LEGACY, record
from turnout.fabric.state import State
from turnout.services.collector import server as served
from turnout.services.collector.inbox import Inbox
from turnout.services.collector.server import Server


def batch(*records, pod=None, node="node-1"):
    """An export as Envoy makes it."""
    request = ExportLogsServiceRequest()
    each = request.resource_logs.add()
    _put(each.resource.attributes, {"node_name": node})
    scope = each.scope_logs.add()
    for attributes in records:
        _put(scope.log_records.add().attributes, attributes | ({"k8s.pod.name": pod} if pod else {}))
    return request


def _put(where, attributes):
    for key, value in attributes.items():
        one = where.add()
        one.key, one.value.string_value = key, value


@pytest.fixture
def service(tmp_path, monkeypatch):
    """A client of a running service, and where it writes."""
    monkeypatch.setattr(served, "LARGEST_BATCH_RECORDS", 10)
    inbox = Inbox(State(tmp_path), "turnout", {"iris"}.__contains__)
    server = Server(inbox, port=0)
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield LogsServiceStub(channel), tmp_path / "access"
    server.stop()


def test_batches_are_written_under_the_pods_names(service):
    """The pod's, where Envoy Gateway tells it; else the node's of Envoy itself."""
    client, folder = service
    client.Export(batch(record(LEGACY), record(DOOR, id="8-1"), pod="pod-1"))
    client.Export(batch(record(LEGACY)))
    assert len((folder / "iris.pod-1.jsonl").read_text().splitlines()) == 2
    assert (folder / "iris.node-1.jsonl").exists()


def test_a_batch_that_is_too_large_is_refused(service):
    """As a whole, by its records or its bytes; the next one is taken."""
    client, folder = service
    for much in ([record(LEGACY)] * 11, [record(LEGACY, details="x" * 5_000_000)]):
        with pytest.raises(grpc.RpcError) as refused:
            client.Export(batch(*much))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not folder.exists()
    client.Export(batch(record(LEGACY)))
    assert folder.exists()
