"""Streams of a real server, timed by a real AIPerf: what its records say is what the server did."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from turnout.domain.generation import GenerationBounds, measured
from turnout.fabric import aiperf, environments

FIRST_SECONDS, BETWEEN_SECONDS, PIECES = 0.3, 0.1, 5
TOKENIZER = {
    "tokenizer.json": {
        "version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
        "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"},
    },
    "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"},
}  # fmt: skip

pytestmark = pytest.mark.timeout(600)


class Talker(ThreadingHTTPServer):
    """Streams one word a piece, at a pace; the third request fails."""

    def __init__(self) -> None:
        """Keep what comes."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.daemon_threads = True
        self.asked = []


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, body))
        failing = len(self.server.asked) == 3
        self.send_response(503 if failing else 200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for data in () if failing else self._pieces():
            self.wfile.write(b"data: " + data.encode() + b"\n\n")
            self.wfile.flush()

    def _pieces(self):
        common = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        for number in range(PIECES):
            time.sleep(BETWEEN_SECONDS if number else FIRST_SECONDS)
            choice = {"index": 0, "delta": {"content": "word "}, "finish_reason": None}
            yield json.dumps({**common, "choices": [choice]})
        usage = {"prompt_tokens": 7, "completion_tokens": PIECES, "total_tokens": 7 + PIECES}
        yield json.dumps({**common, "choices": [], "usage": usage})
        yield "[DONE]"

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def talker() -> Iterator[Talker]:
    """A server of its own threads."""
    made = Talker()
    serving = threading.Thread(target=made.serve_forever, daemon=True)
    serving.start()
    yield made
    made.shutdown()
    made.server_close()
    serving.join(10)


def test_the_records_say_what_the_server_did(talker, tmp_path):
    """The bodies as they were given, in order; first token, pace and tokens; a failure is one."""
    environments.ensure("aiperf")
    for name, content in TOKENIZER.items():
        (tmp_path / name).write_text(json.dumps(content))
    bodies = [
        {"model": "m", "messages": [{"role": "user", "content": f"{number}"}], "max_tokens": 5,
         "stream": True, "stream_options": {"include_usage": True}}
        for number in range(3)
    ]  # fmt: skip
    records = aiperf.send(
        f"http://127.0.0.1:{talker.server_port}/openai/v1/chat/completions", bodies, rate=2.0, seconds=3.0,
        within_seconds=10.0, tokenizer=tmp_path,
    )  # fmt: skip
    assert [body for _, body in talker.asked] == bodies * 2
    assert {path for path, _ in talker.asked} == {"/openai/v1/chat/completions"}
    found = measured(records, GenerationBounds(first_token_seconds=5.0, between_seconds=0.5))
    assert (found["requests"], found["failed"]) == (6, 1)
    first, between = (
        found[f"time_{what}_seconds"]["p50"]["estimate"] for what in ("to_first_token", "between_tokens")
    )
    assert FIRST_SECONDS <= first < FIRST_SECONDS + 1.0
    assert BETWEEN_SECONDS * 0.9 <= between < BETWEEN_SECONDS + 0.2
    per_second = found["tokens_per_second"]
    assert per_second["in"] / per_second["out"] == pytest.approx(7 / PIECES)
    assert found["goodput_per_second"] == pytest.approx(5 / found["window_seconds"])
