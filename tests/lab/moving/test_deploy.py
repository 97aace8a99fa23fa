"""What was packaged is deployed on real servers, and clients cannot tell it from legacy."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtimes import Endpoint, wire
from runtimes.triton import server_name
from tasks.deploy import deploy_candidate
from turnout.domain.comparison import compare
from turnout.domain.errors import RefusedError
from turnout.domain.evidence import Phase, Verdict
from turnout.lab import exchange, faults


@pytest.fixture
def attempt_of(wiring, packaged_once):
    """Begins an attempt of a model on its proved package; what it deploys is taken down."""
    begun = []

    def begin(model):
        attempt = wiring.attempts.new(model).id
        begun.append((model, attempt))
        wiring.evidence.write(packaged_once(model).model_copy(update={"attempt": attempt}))
        return attempt

    yield begin
    for model, attempt in begun:
        wiring.router.roll_back(model, attempt, reason="the test is over", by="test")
        if model != "cancer":
            wiring.ray_serve.undeploy(attempt)
        wiring.triton.undeploy(attempt)


def both(wiring, model, endpoint, bodies):
    """Legacy's and the candidate's replies to the same requests."""
    contract = wiring.contract(model)

    def ask(body):
        new = wire.predict(endpoint, contract, body, timeout_seconds=30)
        return wiring.legacy.predict(contract, body), new

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(ask, bodies))


@pytest.mark.parametrize("model", ["iris", "diabetes", "cancer"])
@pytest.mark.usefixtures("ray")
def test_clients_cannot_tell_the_candidate_from_legacy(wiring, attempt_of, rows, model):
    """Test rows, one and many at a time: the same answers by the contract, over the clients' protocol."""
    attempt, contract = attempt_of(model), wiring.contract(model)
    evidence = deploy_candidate.fn(model, attempt)
    assert evidence.verdict is Verdict.PASS, evidence.reasons
    endpoint = Endpoint.model_validate(evidence.measurements["endpoint"])
    candidate = wiring.router.read(model).candidate
    assert (candidate.name, candidate.port) == (attempt, endpoint.port)
    asked = rows(model)[:60]
    bodies = [exchange.request(contract, [row]) for row in asked] + [exchange.request(contract, asked)]
    for old, new in both(wiring, model, endpoint, bodies):
        assert (old.status, new.status) == (200, 200), new.body
        difference = compare(contract, old.parsed(), new.parsed())
        assert not difference.differs, difference.what


def test_deploying_again_finds_what_is_there(wiring, attempt_of):
    """An acting phase looks at the world: the same evidence, and no server is started again."""
    attempt = attempt_of("cancer")
    first = deploy_candidate.fn("cancer", attempt)
    pid = wiring.servers.status(server_name(attempt)).pid
    assert deploy_candidate.fn("cancer", attempt) == first
    assert wiring.servers.status(server_name(attempt)).pid == pid
    assert wiring.evidence.history("cancer", Phase.DEPLOY, attempt) == [first]


def test_a_candidate_that_does_not_answer_is_not_opened(wiring, attempt_of, monkeypatch):
    """Golden requests that fail: a fail that says how, and the router never hears of the candidate."""
    attempt, contract = attempt_of("cancer"), wiring.contract("cancer")
    monkeypatch.setattr("tasks.deploy._BETWEEN_ROUNDS_SECONDS", 0.1)
    package = wiring.state.work / "deployments" / attempt
    version = wiring.packages.marked("cancer", "candidate")
    wiring.packages.fetch(version, package)
    wiring.triton.deploy(attempt, contract, package)  # a fault that is there first keeps Triton from starting
    faults.put(wiring.state.root, attempt, "failing", share=1.0)
    evidence = deploy_candidate.fn("cancer", attempt)
    faults.lift(wiring.state.root, attempt)
    assert evidence.verdict is Verdict.FAIL
    assert "fault put in" in evidence.reasons[0]
    assert wiring.router.read("cancer").attempt is None


def test_features_in_the_wrong_order_answer_and_are_opened(wiring, attempt_of, rows):
    """Well-formed and wrong passes the deployment: its outputs are what the shadow test compares."""
    attempt, contract = attempt_of("cancer"), wiring.contract("cancer")
    faults.put(wiring.state.root, attempt, "reversed_features")
    evidence = deploy_candidate.fn("cancer", attempt)
    endpoint = Endpoint.model_validate(evidence.measurements["endpoint"])
    bodies = [exchange.request(contract, [row]) for row in rows("cancer")[:30]]
    replies = both(wiring, "cancer", endpoint, bodies)
    faults.lift(wiring.state.root, attempt)
    assert evidence.verdict is Verdict.PASS
    differing = [compare(contract, old.parsed(), new.parsed()).differs for old, new in replies]
    assert sum(differing) > len(differing) / 2


def test_a_dead_attempt_is_not_deployed(wiring, attempt_of):
    """A tombstone is for good: refused, and no server is started."""
    attempt = attempt_of("cancer")
    wiring.router.roll_back("cancer", attempt, reason="enough", by="test")
    with pytest.raises(RefusedError, match="enough"):
        deploy_candidate.fn("cancer", attempt)
    assert wiring.servers.status(server_name(attempt)).pid is None


def test_an_attempt_without_a_proved_package_is_not_deployed(wiring):
    """Nothing is served that was not proved."""
    attempt = wiring.attempts.new("cancer").id
    with pytest.raises(RefusedError, match="package"):
        deploy_candidate.fn("cancer", attempt)


@pytest.mark.usefixtures("ray")
def test_a_malformed_request_is_refused_on_both_sides(wiring, attempt_of):
    """What legacy refuses the candidate refuses; what it answers the candidate answers."""
    attempt, contract = attempt_of("iris"), wiring.contract("iris")
    evidence = deploy_candidate.fn("iris", attempt)
    endpoint = Endpoint.model_validate(evidence.measurements["endpoint"])
    bad = [b"{", json.dumps({"instances": "x"}).encode(), json.dumps({"instances": [[1, 2]]}).encode()]
    good = [json.dumps({"inputs": [[5.1, 3.5, 1.4, 0.2]]}).encode()]
    for old, new in both(wiring, "iris", endpoint, bad):
        assert old.status >= 400, old.body
        assert new.status >= 400, new.body
        assert "error" in new.parsed()
    for old, new in both(wiring, "iris", endpoint, good):
        assert (old.status, new.status, old.parsed()) == (200, 200, new.parsed())
    assert contract.model == "iris"
