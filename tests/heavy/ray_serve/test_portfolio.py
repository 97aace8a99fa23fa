"""A graph and a sentence embedding model move to Ray Serve; candidates that are wrong do not."""

import json

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from runtimes import Endpoint, wire
from tasks.deploy import deploy_candidate
from tasks.plan_lines import unblocked
from tests.heavy.broken import replaced, stopped_in_package
from turnout.domain.comparison import compare
from turnout.domain.evidence import Verdict
from turnout.lab import exchange
from turnout.lab.faults import Broken

MODELS = ["sentences", "severity"]

pytestmark = pytest.mark.usefixtures("ray")


@pytest.mark.parametrize("model", MODELS)
def test_the_plan_lets_them_through(wiring, model):
    """The container by its owner's word, the graph because its nodes can be proved; both to Ray Serve."""
    line = unblocked(wiring.state, model)
    assert (line.runtime, line.bridge, line.blockers) == ("ray_serve", None, ())


@pytest.mark.parametrize("model", MODELS)
def test_clients_cannot_tell_the_candidate_from_legacy(wiring, packaged_once, rows, model):
    """Rows that were not in the golden set, one and several at a time, in the clients' own protocol."""
    proof = packaged_once(model)
    assert proof.measurements["compared"] > 0
    deployed = deploy_candidate.fn(model, proof.attempt)
    assert deployed.verdict is Verdict.PASS, deployed.reasons
    endpoint, contract = Endpoint.model_validate(deployed.measurements["endpoint"]), wiring.contract(model)
    asked = rows(model)[-60:]
    several = [asked[start : start + 3] for start in range(0, 30, 3)]
    for body in (exchange.request(contract, rows) for rows in (*([row] for row in asked[30:]), *several)):
        old = wiring.legacy.predict(contract, body)
        new = wire.predict(endpoint, contract, body, timeout_seconds=30)
        assert (old.status, new.status) == (200, 200), new.body
        difference = compare(contract, old.parsed(), new.parsed())
        assert not difference.differs, difference.what
    wiring.ray_serve.undeploy(proof.attempt)


@pytest.mark.broken(Broken.LOST_NORMALISATION)
def test_embeddings_that_lost_their_normalisation_are_stopped(broken):
    """Every cosine is 1; the lengths give it away, and each example says so."""

    def swap(file):
        modules = [one for one in json.loads(file.read_text()) if not one["type"].endswith("Normalize")]
        file.write_text(json.dumps(modules))

    examples = stopped_in_package(broken("sentences", "modules.json", swap))
    assert all("cosine 1.00000" in one["what"] and "length 1 became" in one["what"] for one in examples)


@pytest.mark.broken(Broken.STALE_VERSION)
def test_a_stale_version_of_one_model_of_a_graph_is_stopped(broken):
    """What is stored was trained on the grades of another year: the same form, other labels."""

    def stale(file):
        features, targets = load_diabetes(return_X_y=True)
        grades = np.digitize(targets, np.quantile(targets, [0.5, 0.8]))
        estimates = joblib.load(file.parents[1] / "progression" / "model.joblib").predict(features)
        joblib.dump(joblib.load(file).fit(estimates, grades), file)

    examples = stopped_in_package(broken("severity", "grade/model.joblib", stale))
    assert all("became" in one["what"] for one in examples)


def test_embeddings_that_differ_by_noise_alone_are_not_stopped(broken):
    """Other hardware, other last digits: every vector is off by a little, and the package passes."""
    evidence = broken(
        "sentences",
        "predictor.py",
        lambda file: replaced(
            file,
            "return list(vectors.tolist())",
            "return list((vectors + np.random.default_rng().normal(0, 1e-5, vectors.shape)).tolist())",
        ),
    )
    assert evidence.verdict is Verdict.PASS, evidence.reasons
    assert evidence.measurements["differing"] == 0
    assert evidence.measurements["largest_distance"] > 0
