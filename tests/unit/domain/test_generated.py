import pytest

from turnout.domain.comparison import compare
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Wire
from turnout.domain.errors import InvalidInputError

CONTRACT = Contract(model="chat", wire=Wire.OPENAI, same_answer=SameAnswer(kind=AnswerKind.TEXT))
PROMPT = [1, 9690, 198]


def chat(*tokens, near=(), prompt=PROMPT, ids=True, **changes):
    """An answer of these tokens, each with itself, what is near it and something else as candidates."""
    entries = [
        {"token": token, "logprob": -0.5, "top_logprobs": [{"token": t} for t in (token, *near, "else")]}
        for token in tokens
    ]
    numbered = {"token_ids": [hash(token) % 50_000 for token in tokens]} if ids else {}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "".join(tokens)},
        "logprobs": {"content": entries},
        **numbered,
    }
    told = {"prompt_token_ids": prompt} if prompt else {}
    return {"choices": [choice], "usage": {"prompt_tokens": 3}, **told, **changes}


def test_the_same_tokens_are_the_same_answer():
    """Whatever the ids of the exchange and the fingerprint of the server are."""
    found = compare(CONTRACT, chat("The", " end"), chat("The", " end", id="other", system_fingerprint="x"))
    assert (found.differs, found.distance) == (False, 0.0)


def test_another_prompt_is_another_template_whatever_the_answer_is():
    """A wrong tokenizer or chat template is found by the prompt's tokens before any text is looked at."""
    found = compare(CONTRACT, chat("Yes"), chat("Yes", prompt=[1, 9690, 7]))
    assert found.differs
    assert "Token 2 of the prompt is 7, not 198" in found.what
    counted = compare(
        CONTRACT, chat("Yes", prompt=None), chat("Yes", prompt=None, usage={"prompt_tokens": 4})
    )
    assert counted.differs
    assert "4 tokens, not 3" in counted.what


def test_a_near_tie_is_noise_and_what_follows_it_is_not_looked_at():
    """Each side's token is among the other's candidates: rounding tipped it, and the rest is another text."""
    found = compare(CONTRACT, chat("A", " b", " c", near=[" x"]), chat("A", " x", " y", near=[" b"]))
    assert not found.differs
    assert found.distance == pytest.approx(2 / 3)
    assert "near tie" in found.what


@pytest.mark.parametrize(("behind", "differs"), [(0.2, False), (1.0, False), (1.5, True)])
def test_a_top_candidate_that_is_far_less_likely_is_no_near_tie(behind, differs):
    """Rounding moves tenths of a nat; another default of sampling picks what is far behind."""

    def text(token, other):
        top = [{"token": token, "logprob": -0.5}, {"token": other, "logprob": -0.5 - behind}]
        choice = {
            "message": {"content": token},
            "logprobs": {"content": [{"token": token, "top_logprobs": top}]},
        }
        return {"choices": [choice]}

    assert compare(CONTRACT, text("a", "b"), text("b", "a")).differs is differs


@pytest.mark.parametrize(("old", "new"), [([" x"], []), ([], [" b"]), ([], [])])
def test_a_token_that_either_side_finds_unlikely_differs(old, new):
    """One side's word is not enough."""
    found = compare(CONTRACT, chat("A", " b", near=old), chat("A", " x", near=new))
    assert found.differs
    assert "Token 1 of 2" in found.what


def test_a_text_that_ends_early_differs():
    """The end is a place like any other, and no candidate stands there."""
    found = compare(CONTRACT, chat("A", " b"), chat("A"))
    assert found.differs
    assert "the end" in found.what


def test_tokens_are_told_apart_by_their_ids_where_both_sides_give_them():
    """Pieces of one character look alike as text."""
    old, new = chat("\ufffd"), chat("\ufffd")
    new["choices"][0]["token_ids"] = [7]
    assert "Token 0" in compare(CONTRACT, old, new).what
    assert not compare(CONTRACT, old, chat("\ufffd", ids=False)).differs


def test_the_same_tokens_written_out_in_another_way_differ():
    """A detokeniser that loses a space changes what clients read."""
    new = chat("The", " end")
    new["choices"][0]["message"]["content"] = "Theend"
    assert compare(CONTRACT, chat("The", " end"), new).differs


def test_texts_without_log_probabilities_are_the_same_or_they_differ():
    """No rule for near ties without candidates."""
    old, new = ({"choices": [{"text": text}]} for text in ("once upon", "once again"))
    assert not compare(CONTRACT, old, old).differs
    assert compare(CONTRACT, old, new).differs


def test_completions_are_read_like_chats():
    """The older form keeps its log probabilities in lists beside each other."""

    def text(*tokens, near):
        tops = [dict.fromkeys((token, near), -1.0) for token in tokens]
        return {
            "choices": [{"text": "".join(tokens), "logprobs": {"tokens": list(tokens), "top_logprobs": tops}}]
        }

    assert not compare(CONTRACT, text("a", "b", near="c"), text("a", "c", near="b")).differs
    assert compare(CONTRACT, text("a", "b", near="z"), text("a", "c", near="b")).differs


@pytest.mark.parametrize(
    "broken",
    [None, {}, {"choices": []}, {"choices": [{"message": {"content": None}}]},
     {"choices": [{"text": "a", "logprobs": {"content": [{"nothing": 1}]}}]}],
)  # fmt: skip
def test_a_malformed_new_answer_differs_and_an_old_one_says_nothing(broken):
    """As for every other kind of answer."""
    assert compare(CONTRACT, chat("A"), broken).differs
    with pytest.raises(InvalidInputError):
        compare(CONTRACT, broken, chat("A"))


def test_embeddings_of_openais_protocol_are_compared_in_the_order_of_their_inputs():
    """The list may come in any order; the index says which is whose."""
    contract = CONTRACT.model_copy(update={"same_answer": SameAnswer(kind=AnswerKind.EMBEDDING)})
    first, second = {"index": 0, "embedding": [1.0, 0.0]}, {"index": 1, "embedding": [0.0, 1.0]}
    old = {"data": [first, second]}
    assert not compare(contract, old, {"data": [second, first]}).differs
    assert compare(contract, old, {"data": [{**first, "index": 1}, {**second, "index": 0}]}).differs


def test_text_goes_with_openais_protocol_alone():
    """A contract that mixes them is refused; so is one with tensors left out where there are some."""
    with pytest.raises(ValueError, match="text goes with"):
        Contract(model="m", wire=Wire.V1, inputs=(), outputs=(), same_answer=CONTRACT.same_answer)
    with pytest.raises(ValueError, match="inputs and outputs"):
        Contract(model="m", wire=Wire.V1, same_answer=SameAnswer(kind=AnswerKind.LABELS))
