"""Each kind of model that goes to Triton: packaged, deployed for real, and not to be told from legacy."""

import pytest

from runtimes import Endpoint, wire
from tasks.deploy import deploy_candidate
from turnout.domain.comparison import compare
from turnout.domain.evidence import Verdict
from turnout.lab import exchange


@pytest.mark.parametrize("model", ["wine", "digits", "topics"])
@pytest.mark.usefixtures("ray")
def test_clients_cannot_tell_the_candidate_from_legacy(wiring, packaged_once, rows, model):
    """Rows that were not in the golden set, one and many at a time, in the clients' own protocol."""
    proof = packaged_once(model)
    assert proof.measurements["compared"] > 0
    batching = proof.measurements["batching"]
    assert [one["queue_delay_microseconds"] for one in batching["loads"]] == [0, 500, 2000]
    assert batching["reason"]
    deployed = deploy_candidate.fn(model, proof.attempt)
    assert deployed.verdict is Verdict.PASS, deployed.reasons
    endpoint, contract = Endpoint.model_validate(deployed.measurements["endpoint"]), wiring.contract(model)
    asked = rows(model)[-60:]
    for body in [*(exchange.request(contract, [row]) for row in asked), exchange.request(contract, asked)]:
        old = wiring.legacy.predict(contract, body)
        new = wire.predict(endpoint, contract, body, timeout_seconds=30)
        assert (old.status, new.status) == (200, 200), new.body
        difference = compare(contract, old.parsed(), new.parsed())
        assert not difference.differs, difference.what
