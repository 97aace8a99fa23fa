import json

import pytest

from turnout.domain.contract import Wire
from turnout.domain.requests import Arm
from turnout.services.shadow.replies import NotComparableError, Reply, from_candidate, from_legacy, inference


def answer(value, seconds=0.1):
    """Make a good reply."""
    return Reply(200, json.dumps({"predictions": [value]}).encode(), seconds)


SILENT = Reply(None, b"", 2.0)


def test_the_candidates_answer_is_held_against_the_captured_one(contract, make_exchange):
    """A wrong answer differs, the right one does not, and the example shows request and both answers."""
    exchange = make_exchange()
    right = from_legacy(
        contract, exchange, attempt="iris-1", new=answer(1.0), again=answer(1.0), at_seconds=5
    )
    wrong = from_legacy(
        contract, exchange, attempt="iris-1", new=answer(3.0), again=answer(1.0), at_seconds=5
    )
    assert (right.new_differs, right.old_differs, right.captured_from) == (False, False, Arm.LEGACY)
    assert (wrong.new_differs, wrong.old_differs, wrong.distance) == (True, False, 2.0)
    assert wrong.example is not None
    assert wrong.example["request"] == '{"instances": [[1]]}'
    assert (wrong.example["old"], wrong.example["new"]) == (
        '{"predictions": [1.0]}',
        '{"predictions": [3.0]}',
    )


def test_no_answer_is_a_different_answer_on_both_sides_alike(contract, make_exchange):
    """A failing replay differs, whichever side failed: a shared incident does not convict the candidate."""
    both = from_legacy(contract, make_exchange(), attempt="iris-1", new=SILENT, again=SILENT, at_seconds=5)
    assert (both.new_differs, both.new_failed, both.old_differs) == (True, True, True)
    assert (both.candidate_seconds, both.legacy_seconds) == (None, None)
    error = Reply(500, b"oops", 0.1)
    refused = from_legacy(contract, make_exchange(), attempt="iris-1", new=error, again=None, at_seconds=5)
    assert (refused.new_differs, refused.new_failed, refused.old_differs) == (True, True, None)


@pytest.mark.parametrize("body", [b"<html>", b"", b"\xff\xfe", b"[" * 100_000])
def test_an_answer_that_is_not_json_differs(contract, make_exchange, body):
    """Garbage from the candidate is a different answer and never an error of ours."""
    reply = Reply(200, body, 0.1)
    record = from_legacy(contract, make_exchange(), attempt="iris-1", new=reply, again=None, at_seconds=5)
    assert record.new_differs
    assert not record.new_failed


def test_what_the_candidate_told_a_client_is_held_against_legacy(contract, make_exchange):
    """During the canary it is the other way round: the captured answer is the new one."""
    exchange = make_exchange(Arm.CANDIDATE, answer=b'{"predictions": [3.0]}')
    record = from_candidate(
        contract, exchange, attempt="iris-1", old=answer(1.0), again=answer(1.0), at_seconds=5
    )
    assert (record.captured_from, record.new_differs, record.old_differs) == (Arm.CANDIDATE, True, False)
    noisy = from_candidate(
        contract, exchange, attempt="iris-1", old=answer(1.0), again=answer(3.0), at_seconds=5
    )
    assert noisy.old_differs


def test_without_legacys_word_nothing_is_said_about_the_candidate(contract, make_exchange):
    """No comparison without something to compare with: not a pass, not a failure."""
    exchange = make_exchange(Arm.CANDIDATE)
    with pytest.raises(NotComparableError):
        from_candidate(contract, exchange, attempt="iris-1", old=SILENT, again=None, at_seconds=5)
    garbled = make_exchange(answer=b"not json")
    with pytest.raises(NotComparableError):
        from_legacy(contract, garbled, attempt="iris-1", new=answer(1.0), again=None, at_seconds=5)
    malformed = make_exchange(answer=b'{"error": "x"}')
    with pytest.raises(NotComparableError):
        from_legacy(contract, malformed, attempt="iris-1", new=answer(1.0), again=None, at_seconds=5)


def test_only_answered_inferences_are_compared(contract, make_exchange):
    """Metadata, health checks and refused requests are left out, in both protocols."""
    assert inference(contract, make_exchange())
    assert inference(contract, make_exchange(path="/v1/models/iris:predict?x=1"))
    assert not inference(contract, make_exchange(path="/v1/models/iris", method="GET"))
    assert not inference(contract, make_exchange(path="/v1/models/other:predict"))
    assert not inference(contract, make_exchange(status=400))
    v2 = contract.model_copy(update={"wire": Wire.V2})
    assert inference(v2, make_exchange(path="/v2/models/iris/infer"))
    assert inference(v2, make_exchange(path="/v2/models/iris/versions/1/infer"))
    assert not inference(v2, make_exchange(path="/v2/models/iris/ready", method="GET"))
