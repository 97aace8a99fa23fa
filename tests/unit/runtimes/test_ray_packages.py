import asyncio
import json

import pytest

from runtimes import Source
from runtimes.ray_serve import packaging
from runtimes.ray_serve.application import graph
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Tensor, Wire
from turnout.domain.errors import InvalidInputError, UnsupportedError
from turnout.domain.workload import Component, Workload

CONTRACT = Contract(
    model="m",
    wire=Wire.V1,
    inputs=(Tensor(name="instances", datatype="FP64", shape=(-1, 4)),),
    outputs=(Tensor(name="predictions", datatype="FP64", shape=(-1,)),),
    same_answer=SameAnswer(kind=AnswerKind.REGRESSION),
)


def _laid_out(workload, path, directory, **more):
    directory.mkdir()
    return packaging.lay_out(Source(CONTRACT, workload, path, [], **more), directory)


def _sequence(*steps):
    return {"root": {"routerType": "Sequence", "steps": list(steps)}}


def test_a_package_is_whole(tmp_path):
    """Code, model files, composition and the declarative application lie in it; nothing else is needed."""
    (tmp_path / "model.joblib").write_bytes(b"not opened here")
    part = Component(role="predictor", framework="sklearn", max_replicas=3)
    workload = Workload(name="m", framework="sklearn", components=(part,))
    root = tmp_path / "package"
    config = _laid_out(workload, tmp_path / "model.joblib", root)
    assert json.loads((root / "serve.json").read_text()) == config
    assert [one["autoscaling_config"]["max_replicas"] for one in config["deployments"]] == [3]
    assert json.loads((root / "composition.json").read_text()) == {
        "members": {"Ingress": {"loader": "sklearn", "directory": "models/Ingress"}}
    }
    assert (root / "models" / "Ingress" / "model.joblib").read_bytes() == b"not opened here"
    code = sorted(file.name for file in (root / "application").iterdir())
    assert code == ["application.py", "graph.py", "loaders.py", "prove.py"]


def test_code_of_ones_own_needs_its_predictor(tmp_path):
    """The error says what its owner has to bring."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(InvalidInputError, match=r"no predictor\.py"):
        _laid_out(Workload(name="m", framework="custom"), tmp_path / "folder", tmp_path / "package")


@pytest.mark.parametrize(
    "nodes",
    [
        {"root": {"routerType": "Splitter", "steps": [{"member": "a", "weight": 50}]}},
        {"root": {"routerType": "Switch", "steps": [{"member": "a", "condition": "x"}]}},
        _sequence({"member": "a", "condition": "predictions"}),
    ],
)
def test_what_hangs_on_chance_or_conditions_is_refused(tmp_path, nodes):
    """A graph is packaged only where it can be proved to answer as its router does."""
    workload = Workload(name="g", kind="InferenceGraph", framework="graph", extra={"nodes": nodes})
    with pytest.raises(UnsupportedError, match="graph g, node root"):
        _laid_out(workload, tmp_path, tmp_path / "package")


def _run(nodes, body):
    async def call(member, given):
        return {"predictions": [[member, *row] for row in given["instances"]]}

    return asyncio.run(graph.run(nodes, call, body))


def test_a_sequence_hands_predictions_on():
    """`$response` and mapPredictionsToInstances as KServe's router reads them; without them the request."""
    onward = {"member": "b", "data": "$response", "mapPredictionsToInstances": True}
    body = {"instances": [[1]]}
    assert _run(_sequence({"member": "a"}, onward), body) == {"predictions": [["b", "a", 1]]}
    assert _run(_sequence({"member": "a"}, {"member": "b"}), body) == {"predictions": [["b", 1]]}


def test_an_ensemble_answers_by_its_steps_names():
    """Steps without a name go by their number; a node inside is run where it stands."""
    nodes = {
        "root": {"routerType": "Ensemble", "steps": [{"name": "one", "member": "a"}, {"nodeName": "inner"}]},
        "inner": {"routerType": "Sequence", "steps": [{"member": "b"}]},
    }
    assert _run(nodes, {"instances": [[1]]}) == {
        "one": {"predictions": [["a", 1]]},
        "1": {"predictions": [["b", 1]]},
    }
