"""The reader of a cluster's API against a server that answers as an API server may, on a bad day too."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from turnout.domain.errors import (
    InvalidInputError,
    NotFoundError,
    RefusedError,
    TemporaryError,
    UnreachableError,
)
from turnout.fabric.kubernetes import estate
from turnout.fabric.kubernetes.api import RESTARTS, ClusterApi

NODES = "/api/v1/nodes"
Answer = tuple[int, object]


class _Server(ThreadingHTTPServer):
    """Answers each request by a function; keeps what was asked."""

    def __init__(self, answer: Callable[[str, dict[str, str]], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.asked: list[tuple[str, dict[str, str]]] = []


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.server.asked.append((parts.path, query))
        status, body = self.server.answer(parts.path, query)
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(name="serve")
def _serve(tmp_path) -> Iterator[Callable[..., tuple[ClusterApi, _Server]]]:
    started: list[tuple[_Server, threading.Thread, ClusterApi]] = []

    def serve(answer: Callable[[str, dict[str, str]], Answer]) -> tuple[ClusterApi, _Server]:
        server = _Server(answer)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        file = tmp_path / f"kubeconfig-{len(started)}"
        file.write_text(_kubeconfig(f"http://127.0.0.1:{server.server_port}"))
        api = ClusterApi(file)
        started.append((server, thread, api))
        return api, server

    yield serve
    for server, thread, api in started:
        api.close()
        server.shutdown()
        server.server_close()
        thread.join()


def _kubeconfig(url):
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
    )


def _items(*names):
    return [{"metadata": {"name": name}, "anything": {"newer": True}} for name in names]


def _listed(pages, *, gone_at=(), status=200):
    """An answerer of lists: a page's token is the next one's number; at some requests the token is gone."""
    count = iter(range(1_000))

    def answer(_path, query):
        if next(count) in gone_at:
            return 410, {"kind": "Status", "code": 410, "message": "expired"}
        number = int(query.get("continue", 0))
        token = {"continue": str(number + 1)} if number + 1 < len(pages) else {}
        return status, {"metadata": token, "items": pages[number]}

    return answer


def _names(pages):
    return [item["metadata"]["name"] for page in pages for item in page]


def test_lists_are_read_page_by_page_as_raw_json(serve):
    """Every page, by its token, and fields that no client library knows."""
    api, server = serve(_listed([_items("a", "b"), _items("c")]))
    pages = list(api.pages("v1", "nodes", page_size=2))
    assert _names(pages) == ["a", "b", "c"]
    assert pages[0][0]["anything"] == {"newer": True}
    assert server.asked == [(NODES, {"limit": "2"}), (NODES, {"limit": "2", "continue": "1"})]


def test_a_list_that_expires_is_begun_again_without_duplicates(serve):
    """410 Gone in the middle: the list starts over, and what was handed out is not handed out again."""
    api, server = serve(_listed([_items("a", "b"), _items("c"), _items("d")], gone_at={1, 4}))
    assert _names(api.pages("v1", "nodes")) == ["a", "b", "c", "d"]
    assert len(server.asked) == 8


def test_a_list_that_keeps_expiring_is_a_temporary_error(serve):
    """It is not read forever, and half of it is never taken for all."""
    api, _ = serve(lambda _path, query: (410, {}) if "continue" in query else _listed([[], []])("", query))
    with pytest.raises(TemporaryError, match=f"expired {RESTARTS} times"):
        list(api.pages("v1", "nodes"))


def test_a_kind_that_is_not_served_has_no_pages(serve):
    """404 is nothing, not an error."""
    api, _ = serve(lambda *_: (404, {"message": "not found"}))
    assert list(api.pages("serving.kserve.io/v1beta1", "inferenceservices")) == []


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (403, {"message": "nodes is forbidden"}, RefusedError, "base/discovery.yaml"),
        (401, {"message": "Unauthorized"}, RefusedError, "Log in anew"),
        (500, {"message": "etcd\nis down"}, UnreachableError, "etcd is down"),
        (503, b"<html>", UnreachableError, "status 503"),
        (200, b"<html>", UnreachableError, "not JSON"),
        (200, b"[]", UnreachableError, "no object"),
        (200, b"[" * 100_000, UnreachableError, "not JSON"),
    ],
)
def test_what_goes_wrong_is_one_clear_line(serve, status, body, error, words):
    """Not permitted, not logged in, broken: each with its remedy; temporary where trying again helps."""
    api, _ = serve(lambda *_: (status, body))
    with pytest.raises(error) as caught:
        list(api.pages("v1", "nodes"))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_is_gone_is_unreachable(serve):
    """Nobody listens: a temporary error that names the address."""
    api, server = serve(lambda *_: (200, {}))
    server.shutdown()
    server.server_close()
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1"):
        list(api.pages("v1", "nodes"))


@pytest.mark.parametrize(
    ("text", "context", "error"),
    [
        (None, None, NotFoundError),
        ("", None, InvalidInputError),
        ("a: [", None, InvalidInputError),
        ("[]", None, InvalidInputError),
        ("clusters: 3", None, InvalidInputError),
        (_kubeconfig("http://127.0.0.1:1"), "other", InvalidInputError),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_said(tmp_path, text, context, error):
    """No file, broken YAML, no such context: named, with what to do."""
    file = tmp_path / "kubeconfig"
    if text is not None:
        file.write_text(text)
    with pytest.raises(error, match="--kubeconfig"):
        ClusterApi(file, context)


def test_older_servers_are_asked_group_by_group(serve):
    """Without aggregated discovery; an aggregated API that is down hides no other."""
    answers = {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/api/v1": {"resources": [{"name": "nodes"}]},
        "/apis": {
            "kind": "APIGroupList",
            "groups": [
                {"versions": [{"groupVersion": "metrics/v1"}]},
                {"versions": [{"groupVersion": "apps/v1"}]},
            ],
        },
        "/apis/apps/v1": {"resources": [{"name": "deployments"}]},
    }
    api, _ = serve(lambda path, _query: (200, answers[path]) if path in answers else (503, {}))
    assert api.served() == {("v1", "nodes"), ("apps/v1", "deployments")}


def test_a_kind_that_may_not_be_listed_does_not_stop_the_others(serve):
    """403 on graphs: a problem that names the kind and the verb; services are read all the same."""
    resources = [{"resource": "inferenceservices"}, {"resource": "inferencegraphs"}]
    versions = {
        "serving.kserve.io": [
            {"version": "v1beta1", "resources": resources[:1]},
            {"version": "v1alpha1", "resources": resources[1:]},
        ]
    }
    groups = [{"metadata": {"name": name}, "versions": found} for name, found in versions.items()]
    service = {"metadata": {"name": "iris", "namespace": "prod"}, "spec": {"predictor": {"sklearn": {}}}}

    def answer(path, _query):
        if path in ("/api", "/apis"):
            return 200, {"kind": "APIGroupDiscoveryList", "items": groups if path == "/apis" else []}
        if path.endswith("inferencegraphs"):
            return 403, {"message": "inferencegraphs is forbidden"}
        return 200, {"items": [service, {"metadata": {"name": "odd"}, "spec": 3}]}

    api, server = serve(answer)
    inventory = estate.read(api)
    assert inventory.models == ("iris",)
    assert inventory.workloads[0].source == "inferenceservices prod/iris"
    odd, graphs = inventory.problems
    assert (odd.where, odd.observed) == ("inferenceservices odd spec.predictor", "no predictor")
    assert graphs.where.startswith("inferencegraphs")
    assert "list is not permitted" in graphs.observed
    inside = estate.read(api, ("prod", "../x"))
    assert inside.models == ()
    assert any(path.endswith("/namespaces/..%2Fx/inferenceservices") for path, _ in server.asked)
