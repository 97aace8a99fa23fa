import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.domain.contract import Contract, SameAnswer
from turnout.domain.golden import choose, coverage, repeats, usable


def _contract(kind="labels", wire="v1"):
    return Contract(model="m", wire=wire, inputs=(), outputs=(), same_answer=SameAnswer(kind=kind))


def _capture(asked, answer, **more):
    line = {"at": 1.0, "arm": "legacy", "answered_by": None, "method": "POST", "path": "/v1/models/m:predict"}
    bodies = {"request": json.dumps(asked), "response": json.dumps(answer)}
    return {**line, **bodies, "request_base64": False, "response_base64": False, "status": 200, **more}


def _asked(number, label=0, **more):
    return _capture({"instances": [[number]]}, {"predictions": [label]}, **more)


def _usable(*captures, contract=None):
    return [found for capture in captures if (found := usable(capture, contract or _contract()))]


@pytest.mark.parametrize(
    "more",
    [
        {"status": 500},
        {"status": None},
        {"arm": "candidate"},
        {"arm": "legacy", "answered_by": "candidate"},
        {"method": "GET"},
        {"request_base64": True},
        {"response": "not JSON"},
        {"response": '{"error": "x"}'},
        {"response": "[" * 5000},
        {"request": None},
    ],
)
def test_only_legacys_own_good_answers_are_usable(more):
    """What the candidate answered, what failed and what cannot be compared never becomes golden."""
    assert usable(_asked(1, **more), _contract()) is None


def test_a_rescued_request_is_legacys_answer():
    """Where legacy answered in the candidate's place, the answer is legacy's."""
    assert usable(_asked(1, arm="candidate", answered_by="legacy"), _contract()) is not None


def test_the_same_request_under_another_id_is_not_distinct():
    """A V2 client numbers its requests; the golden set holds each question once."""
    found = _usable(*(_capture({"id": str(n), "instances": [1]}, {"predictions": [0]}) for n in range(5)))
    assert len(choose(found)) == 1


def test_rare_classes_come_into_the_set():
    """With room for few, every class that production answered is in: the rare one too."""
    common = [_asked(number, label=0) for number in range(50)]
    found = _usable(*common, _asked(99, label=7))
    chosen = choose(found, largest=4)
    assert coverage(_contract(), chosen) == {"0": 3, "7": 1}


@settings(deadline=None)
@given(
    asked=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=40), largest=st.integers(1, 20)
)
def test_the_set_is_distinct_bounded_and_as_large_as_it_can_be(asked, largest):
    """No question twice, never more than asked for, none left out while there is room, in order of time."""
    found = _usable(*(_asked(number, label) for number, label in asked))
    chosen = choose(found, largest=largest)
    keys = [one.key for one in chosen]
    assert len(set(keys)) == len(keys) == min(largest, len({one.key for one in found}))
    seen_first = list(dict.fromkeys(one.key for one in found))
    assert keys == sorted(keys, key=seen_first.index)


@settings(deadline=None)
@given(answers=st.lists(st.integers(0, 2), min_size=1, max_size=20))
def test_the_noise_floor_counts_second_answers(answers):
    """Each later answer to the same question is one pair; it differs when it is not the first answer."""
    found = repeats(_contract(), _usable(*(_asked(1, label) for label in answers)))
    assert found.pairs == len(answers) - 1
    assert found.differing == sum(label != answers[0] for label in answers)


def _v2(data, shape):
    return {"outputs": [{"name": "p", "shape": shape, "datatype": "FP32", "data": data}]}


@pytest.mark.parametrize(
    ("kind", "wire", "answer", "expected"),
    [
        ("labels", "v1", {"predictions": ["setosa", "virginica"]}, {"setosa": 1, "virginica": 1}),
        ("labels", "v1", {"predictions": [[1, 2]]}, {"[1, 2]": 1}),
        ("probabilities", "v1", {"predictions": [[0.1, 0.7, 0.2]]}, {"1": 1}),
        ("probabilities", "v2", _v2([0.2, 0.9], [2, 1]), {"at least 0.5": 1, "below 0.5": 1}),
        ("probabilities", "v2", _v2([0.2, 0.8, 0.6, 0.4], [2, 2]), {"0": 1, "1": 1}),
        ("regression", "v1", {"predictions": [3.5, -1]}, {"lowest": -1, "highest": 3.5}),
        ("regression", "v2", _v2([], [0, 1]), {}),
    ],
)
def test_coverage_says_what_the_answers_are(kind, wire, answer, expected):
    """Labels, likeliest classes or the range of values: an owner sees what the proof stands on."""
    contract = _contract(kind, wire)
    assert coverage(contract, _usable(_capture({"x": 1}, answer), contract=contract)) == expected


def test_embeddings_are_counted_by_dimension():
    """A set with vectors of two sizes is seen at a glance; vectors belong to no class."""
    contract = _contract(kind="embedding")
    found = _usable(_asked(1, [0.6, 0.8]), _asked(2, [0.8, 0.6]), contract=contract)
    assert coverage(contract, choose(found)) == {"2 dimensions": 2}
    assert all(not one.classes for one in found)


def test_answers_of_any_form_are_usable_where_the_contract_says_json():
    """An answer without predictions stands in the golden set, and counts as a request."""
    contract = _contract(kind="json")
    found = _usable(_capture({"ask": 1}, {"result": {"label": "cat"}}), contract=contract)
    assert coverage(contract, choose(found)) == {"requests": 1}


def test_generated_texts_are_golden_whether_they_were_streamed_or_not():
    """A stream is put together; one that was cut off is no answer. Coverage says how many were streams."""
    contract, path = _contract("text", "openai"), "/openai/v1/chat/completions"
    piece = json.dumps({"choices": [{"index": 0, "delta": {"content": "Paris."}, "finish_reason": "stop"}]})
    whole = _capture({"messages": [1]}, {"choices": [{"message": {"content": "Paris."}}]}, path=path)
    streamed = _capture({"messages": [2]}, None, path=path) | {
        "response": f"data: {piece}\n\ndata: [DONE]\n\n"
    }
    cut = _capture({"messages": [3]}, None, path=path) | {"response": f"data: {piece}\n\n"}
    found = _usable(whole, streamed, cut, contract=contract)
    assert len(found) == 2
    assert coverage(contract, choose(found)) == {"requests": 2, "streamed": 1}
    assert repeats(contract, [*found, *found]).differing == 0
