import json

import pytest

from turnout.domain.answers import MalformedError
from turnout.domain.bodies import parsed
from turnout.domain.comparison import compare
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Wire

CONTRACT = Contract(model="chat", wire=Wire.OPENAI, same_answer=SameAnswer(kind=AnswerKind.TEXT))


def events(*pieces, end=True):
    """A stream of these pieces, one event each."""
    lines = [f"data: {json.dumps(piece)}\n\n" for piece in pieces]
    return "".join([*lines, "data: [DONE]\n\n" if end else ""])


def piece(token, **changes):
    """A piece of a chat with one token."""
    entry = {"token": token, "logprob": -1.0, "top_logprobs": [{"token": token}]}
    choice = {
        "index": 0,
        "delta": {"content": token},
        "logprobs": {"content": [entry]},
        "token_ids": [len(token)],
    }
    return {"id": "1", "choices": [choice | changes.pop("choice", {})], **changes}


def test_a_streamed_chat_is_the_chat_in_one_piece():
    """Text, tokens, usage and the prompt's tokens come together, whichever piece they came in."""
    role = {
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}],
        "prompt_token_ids": [1, 2],
    }
    usage = {"choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 2}}
    last = piece(" end", choice={"finish_reason": "stop"})
    found = parsed(CONTRACT, events(role, piece("The"), last, usage).encode())
    whole = {
        "choices": [
            {
                "message": {"content": "The end"},
                "token_ids": [3, 4],
                "logprobs": {
                    "content": [
                        {"token": t, "logprob": -1.0, "top_logprobs": [{"token": t}]} for t in ("The", " end")
                    ]
                },
            }
        ],
        "usage": {"prompt_tokens": 2},
        "prompt_token_ids": [1, 2],
    }
    assert found["choices"][0]["finish_reason"] == "stop"
    assert not compare(CONTRACT, whole, found).differs
    assert "All 2 tokens" in compare(CONTRACT, whole, found).what


def test_a_streamed_completion_is_put_together_too():
    """The older form has its text beside the choice."""
    pieces = [{"choices": [{"index": 0, "text": text, "logprobs": None}]} for text in ("once", " upon")]
    assert parsed(CONTRACT, events(*pieces))["choices"][0]["text"] == "once upon"


@pytest.mark.parametrize(
    "body",
    [
        events(piece("The"), end=False),
        events(piece("The"), {"error": {"message": "out of memory"}}),
        "data: {\n\ndata: [DONE]\n\n",
        events({"choices": ["text"]}),
    ],
)
def test_a_stream_that_was_cut_off_or_broke_is_no_answer(body):
    """Half a text is not a shorter one."""
    with pytest.raises(MalformedError):
        parsed(CONTRACT, body)


def test_only_openais_protocol_streams():
    """A V1 body that begins like a stream is not JSON."""
    contract = Contract(
        model="m", wire=Wire.V1, inputs=(), outputs=(), same_answer=SameAnswer(kind=AnswerKind.LABELS)
    )
    with pytest.raises(MalformedError, match="not JSON"):
        parsed(contract, "data: [DONE]")
    assert parsed(contract, b'{"predictions": [1]}') == {"predictions": [1]}
