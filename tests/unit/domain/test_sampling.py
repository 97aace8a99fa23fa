import json

from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Wire
from turnout.domain.sampling import pinned

CONTRACT = Contract(
    model="chat", wire=Wire.OPENAI, same_answer=SameAnswer(kind=AnswerKind.TEXT, top_candidates=7)
)


def asked(**request):
    """What is sent for a client's request."""
    return json.loads(pinned(CONTRACT, json.dumps(request).encode()))


def test_a_chat_is_asked_again_with_nothing_left_to_chance():
    """Greedy, with the candidates of each place; what the client asked for beside sampling stays."""
    found = asked(messages=[{"role": "user", "content": "Hi"}], temperature=0.9, max_tokens=5, stop="\n", n=3)
    assert (found["temperature"], found["n"], found["logprobs"], found["top_logprobs"]) == (0, 1, True, 7)
    assert (found["max_tokens"], found["stop"], found["return_token_ids"]) == (5, "\n", True)
    assert "seed" in found
    assert "stream_options" not in found


def test_a_stream_stays_one_and_tells_its_usage():
    """Streaming is part of what is compared."""
    assert asked(messages=[], stream=True)["stream_options"] == {"include_usage": True}


def test_a_completion_takes_the_number_of_candidates_in_its_own_way():
    """The older form has one parameter for both."""
    assert asked(prompt="Once")["logprobs"] == 7


def test_a_servers_own_parameters_are_left_as_the_client_sent_them():
    """A changed default of repetition_penalty must show."""
    assert "repetition_penalty" not in asked(messages=[])
    assert asked(messages=[], repetition_penalty=1.1)["repetition_penalty"] == 1.1


def test_what_is_no_generation_is_replayed_as_it_was():
    """Embeddings, other protocols, and what cannot be read."""
    other = Contract(
        model="m", wire=Wire.V1, inputs=(), outputs=(), same_answer=SameAnswer(kind=AnswerKind.LABELS)
    )
    assert pinned(other, b"{}") is None
    embedding = CONTRACT.model_copy(update={"same_answer": SameAnswer(kind=AnswerKind.EMBEDDING)})
    assert pinned(embedding, b'{"input": "a"}') is None
    assert pinned(CONTRACT, b"{") is None
    assert pinned(CONTRACT, b"[]") is None
