"""Whether pages answer, asked of real servers."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from turnout.report import links


class _Pages(BaseHTTPRequestHandler):
    """Has one page, and moves its front door there."""

    def do_GET(self):
        if self.path == "/":
            self.send_response(307)
            self.send_header("location", "/page")
        else:
            self.send_response(200 if self.path == "/page" else 500)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def served() -> Iterator[str]:
    """A server of its own thread."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    serving.join(10)


def test_pages_that_answer_are_told_from_those_that_do_not(served, free_port):
    """One behind a redirect answers; a failing one, a dead one and a wrong address do not."""
    found = links.asked(
        {
            "Prefect": served, "MLflow": f"{served}/broken", "Ray": f"http://127.0.0.1:{free_port}",
            "Odd": "http://[", "Nowhere": "",
        }
    )  # fmt: skip
    assert [(link.name, link.answers) for link in found] == [
        ("Prefect", True), ("MLflow", False), ("Ray", False), ("Odd", False),
    ]  # fmt: skip


def test_without_pages_nothing_is_asked():
    """A state directory without running systems has a report without links."""
    assert links.asked({"Prefect": ""}) == ()
