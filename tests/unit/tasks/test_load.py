"""Who is loaded, with what, and how far."""

import json

import pytest

from tasks import load as module
from tasks.load import side_by_side
from turnout.domain.contract import BaselineLoad, Contract, SameAnswer
from turnout.domain.load import Sent
from turnout.domain.route import Backend
from turnout.fabric import contracts

ARMS = {"legacy": Backend(name="iris-legacy", port=2), "candidate": Backend(name="iris-1", port=3)}
LOAD = BaselineLoad(load=True, ceiling_per_second=160.0)


@pytest.fixture
def loaded(estate, monkeypatch):
    """The estate with a golden set, and what was sent: port, rate."""
    contract = Contract(
        model="iris", wire="v1", inputs=(), outputs=(), same_answer=SameAnswer(kind="labels"), baseline=LOAD
    )
    contracts.write(estate.root / "contracts", contract)
    file = estate.wiring.state.work / "golden" / "iris.jsonl"
    file.parent.mkdir(parents=True)
    asked = {"request": json.dumps({"instances": [[1.0]]}), "response": json.dumps({"predictions": [0]})}
    file.write_text(json.dumps(asked) + "\n")
    sent = []

    def send(url, bodies, *, rate, seconds, within_seconds):
        assert url.endswith("/v1/models/iris:predict")
        assert json.loads(bodies[0]) == {"instances": [[1.0]]}
        assert (seconds, within_seconds) == (3.0, 30.0)
        slow = ":2/" in url and rate > 20
        sent.append((2 if ":2/" in url else 3, rate))
        late = 2.0 if slow else 0.01
        return [Sent(due_seconds=n / rate, answered_seconds=n / rate + late) for n in range(300)]

    monkeypatch.setattr(module.open_loop, "send", send)
    return lambda: side_by_side(estate.wiring, contract, ARMS), sent


def test_each_rate_is_sent_to_both_until_one_does_not_carry_it(loaded):
    """Legacy is loaded no further once it fails; nobody is sent more than the owner's ceiling."""
    measure, sent = loaded
    found = measure()
    assert [rate for port, rate in sent if port == 2] == [10.0, 20.0, 40.0]
    assert [rate for port, rate in sent if port == 3] == [10.0, 20.0, 40.0, 80.0, 160.0]
    assert sent[:2] == [(2, 10.0), (3, 10.0)]
    assert found["legacy"]["per_second"] == pytest.approx(20, rel=0.05)
    assert (found["candidate"]["at_least"], found["legacy"]["at_least"]) == (True, False)
    assert found["candidate"]["per_second"] == pytest.approx(160, rel=0.05)
    assert found["legacy"]["bound_seconds"] == 0.5


def test_an_owner_who_allows_load_says_how_much():
    """Without a ceiling a production server is not loaded, and without the word it never is."""
    with pytest.raises(ValueError, match="ceiling_per_second"):
        BaselineLoad(load=True)
    assert not BaselineLoad().load
