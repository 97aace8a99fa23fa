"""Real legacy servers end when they are retired, and come back as they were."""

import json

import pytest

from turnout.domain.errors import UnreachableError


@pytest.mark.parametrize("model", ["iris", "cancer"])
def test_legacy_ends_and_comes_back(wiring, rows, asked, model):
    """Nobody answers at its address while it is retired, and its answers are the same afterwards."""
    contract, body = wiring.contract(model), asked(model, rows(model)[0])
    before = wiring.legacy.predict(contract, body)
    assert before.status == 200
    size = wiring.legacy_size
    assert size.scales(model)
    size.retire(model)
    size.retire(model)
    try:
        with pytest.raises(UnreachableError):
            wiring.legacy.predict(contract, body)
        assert size.scales(model)
    finally:
        size.restore(model)
    after = wiring.legacy.predict(contract, body)
    assert _answer(after) == _answer(before)


def test_a_model_of_nobody_here_is_not_scaled(wiring):
    """Of an estate that is only read from files nothing can be ended."""
    assert not wiring.legacy_size.scales("elsewhere")


def _answer(reply):
    told = json.loads(reply.body)
    return told.get("predictions") or [one["data"] for one in told["outputs"]]
