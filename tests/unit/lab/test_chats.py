import json

import pytest

from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Wire
from turnout.lab import chats

CONTRACT = Contract(model="smollm", wire=Wire.OPENAI, same_answer=SameAnswer(kind=AnswerKind.TEXT))
WHOLE = {"choices": [{"message": {"content": "Paris."}, "finish_reason": "stop"}]}
PIECE = {"choices": [{"index": 0, "delta": {"content": "Paris."}, "finish_reason": "stop"}]}


def test_half_of_the_prompts_are_streams_and_each_is_the_same_at_every_repetition():
    """Both arms, and the client before and after, see the very same request."""
    rows = chats.rows()
    assert sum(row["stream"] for row in rows) == len(rows) // 2
    assert len({row["prompt"] for row in rows}) == len(rows)
    assert chats.request(CONTRACT, rows[:1]) == chats.request(CONTRACT, rows[:1])
    streamed = json.loads(chats.request(CONTRACT, rows[1:2]))
    assert (streamed["model"], streamed["stream"], streamed["temperature"]) == ("smollm", True, 0)


def test_a_text_that_came_whole_is_an_answer_streamed_or_not():
    """In one piece, or in pieces with their end."""
    assert chats.fault(CONTRACT, 1, 200, json.dumps(WHOLE).encode()) is None
    assert chats.fault(CONTRACT, 1, 200, f"data: {json.dumps(PIECE)}\n\ndata: [DONE]\n\n".encode()) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"{}"),
        (200, b"{"),
        (200, b'{"choices": []}'),
        (200, f"data: {json.dumps(PIECE)}\n\n".encode()),
        (200, b'{"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]}'),
        (200, b'{"choices": [{"message": {"content": "Pa"}, "finish_reason": null}]}'),
    ],
)
def test_anything_else_is_a_failed_request(status, body):
    """A stream without its end above all."""
    assert chats.fault(CONTRACT, 1, status, body)
