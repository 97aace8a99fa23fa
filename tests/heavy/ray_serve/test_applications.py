"""Python models and compositions as applications of a real Ray Serve, behind the bridges."""

import json
import pickle
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from runtimes import Source, wire
from tests.waiting import until
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Tensor, Wire
from turnout.domain.errors import InvalidInputError, TemporaryError
from turnout.domain.route import RoutePolicy
from turnout.domain.workload import Component, Workload

SCALES_WITHIN_SECONDS = 120.0
"""Replicas come in 5 s and go in 15 s on an idle machine; loaded cores need a multiple."""

CODE = """
import os, time

class Predictor:
    def __init__(self, directory):
        self.factor = int((directory / "factor").read_text())

    def predict(self, instances):
        if instances and instances[0] == ["fail"]:
            raise ValueError("asked to fail")
        time.sleep({seconds})
        return [[os.getpid() if row == ["who"] else self.factor * sum(row)] for row in instances]
"""


def contract_of(model, protocol=Wire.V1):
    """The contract of a model that multiplies sums."""
    return Contract(
        model=model,
        wire=protocol,
        inputs=(Tensor(name="numbers", datatype="FP64", shape=(-1, 2)),),
        outputs=(Tensor(name="product", datatype="FP64", shape=(-1, 1)),),
        same_answer=SameAnswer(kind=AnswerKind.REGRESSION),
        policy=RoutePolicy(try_seconds=20.0, request_seconds=30.0),
    )


def brought(directory: Path, factor: int, seconds: float = 0.0) -> Path:
    """An owner's code with its file beside it."""
    directory.mkdir(parents=True)
    (directory / "predictor.py").write_text(textwrap.dedent(CODE).replace("{seconds}", str(seconds)))
    (directory / "factor").write_text(str(factor))
    return directory


def workload_of(name, **declared):
    """A custom container, with what it declared about its scaling."""
    annotations = {"autoscaling.knative.dev/window": "6s"}
    part = Component(role="predictor", framework="custom", requests={"cpu": "100m"}, **declared)
    return Workload(name=name, framework="custom", components=(part,), annotations=annotations)


def packaged(runtime, contract, workload, path, directory, requests=(), **more):  # noqa: PLR0917 -- a test's own words
    """A package that was proved on some requests; returns what was made."""
    directory.mkdir(parents=True)
    return runtime.package(Source(contract, workload, path, list(requests), **more), directory, print)


def asked(endpoint, contract, rows):
    """Send rows as the contract's clients do; returns status and parsed body."""
    body = {"instances": rows}
    if contract.wire is Wire.V2:
        one = {
            "name": "numbers",
            "datatype": "FP64",
            "shape": [len(rows), 2],
            "data": [v for row in rows for v in row],
        }
        body = {"id": "7", "inputs": [one]}
    reply = wire.predict(endpoint, contract, json.dumps(body).encode(), timeout_seconds=30)
    return reply.status, reply.parsed()


def running(runtime):
    """Names of the applications that run."""
    return {
        name for name, app in runtime._serve.call("GET")["applications"].items() if app["status"] == "RUNNING"
    }


def test_attempts_live_side_by_side_and_an_ended_one_goes_away(runtime, tmp_path):
    """Two models of two attempts answer, each by its own code; one ends and the other answers on."""
    contracts = {name: contract_of(name) for name in ("double", "triple")}
    for name, factor in (("double", 2), ("triple", 3)):
        code, package = brought(tmp_path / f"{name}-code", factor), tmp_path / name
        made = packaged(runtime, contracts[name], workload_of(name), code, package, [{"instances": [[1, 2]]}])
        assert made.answers == [{"predictions": [[3 * factor]]}]
        at = runtime.deploy(f"{name}-1", contracts[name], package)
    assert asked(at, contracts["double"], [[1, 2], [3, 4]]) == (200, {"predictions": [[6], [14]]})
    assert asked(at, contracts["triple"], [[1, 2]]) == (200, {"predictions": [[9]]})
    runtime.undeploy("double-1")
    runtime.undeploy("double-1")
    assert asked(at, contracts["double"], [[1, 2]])[0] == 404
    assert asked(at, contracts["triple"], [[1, 2]]) == (200, {"predictions": [[9]]})
    until(lambda: "double-1" not in runtime._serve.call("GET")["applications"], "it is gone")
    assert {"bridge-v1", "triple-1"} <= running(runtime)
    assert not list((tmp_path / "triple").rglob("__pycache__")), "a package stays as its digests say"
    runtime.undeploy("triple-1")


def test_a_later_attempt_takes_the_clients_over(runtime, tmp_path):
    """While both stand, clients are answered by the later one; the end of the earlier one is unseen."""
    contract = contract_of("moving")
    for attempt, factor in (("moving-1", 2), ("moving-2", 5)):
        package = tmp_path / attempt
        packaged(runtime, contract, workload_of("moving"), brought(tmp_path / f"c{factor}", factor), package)
        at = runtime.deploy(attempt, contract, package)
    until(lambda: asked(at, contract, [[1, 1]]) == (200, {"predictions": [[10]]}), "the new one answers")
    runtime.undeploy("moving-1")
    assert asked(at, contract, [[1, 1]]) == (200, {"predictions": [[10]]})
    runtime.undeploy("moving-2")


def test_v2_clients_reach_python_models(runtime, tmp_path):
    """Tensors become rows and rows tensors, by the contract's names and types; the proof says the same."""
    contract, package = contract_of("tensors", Wire.V2), tmp_path / "package"
    one = {"name": "numbers", "datatype": "FP64", "shape": [2, 2], "data": [1, 2, 3, 4]}
    made = packaged(
        runtime, contract, workload_of("tensors"), brought(tmp_path / "code", 2), package, [{"inputs": [one]}]
    )
    at = runtime.deploy("tensors-1", contract, package)
    status, answer = asked(at, contract, [[1, 2], [3, 4]])
    product = {"name": "product", "datatype": "FP64", "shape": [2, 1], "data": [6, 14]}
    assert (status, answer) == (200, {"model_name": "tensors", "id": "7", "outputs": [product]})
    assert made.answers == [{"model_name": "tensors", "outputs": [product]}]
    url = f"http://{at.host}:{at.port}/v2/models/tensors"
    assert httpx.get(url).json()["outputs"] == [{"name": "product", "datatype": "FP64", "shape": [-1, 1]}]
    assert httpx.post(f"{url}/infer", content=b"{").status_code == 400
    runtime.undeploy("tensors-1")


def test_failures_are_server_errors(runtime, tmp_path):
    """An exception of the model's code is a 5xx that says why, and the next request is answered."""
    contract, package = contract_of("failing"), tmp_path / "package"
    packaged(runtime, contract, workload_of("failing"), brought(tmp_path / "code", 2), package)
    at = runtime.deploy("failing-1", contract, package)
    status, answer = asked(at, contract, [["fail"]])
    assert (status, "asked to fail" in answer["error"]) == (502, True)
    assert asked(at, contract, [[1, 2]])[0] == 200
    runtime.undeploy("failing-1")


def test_a_graph_is_a_composition(runtime, tmp_path):
    """A sequence of two scikit-learn and Python models answers what its router would."""
    nodes = {
        "root": {
            "routerType": "Sequence",
            "steps": [
                {"name": "first", "member": "half"},
                {"name": "next", "member": "sum", "data": "$response", "mapPredictionsToInstances": True},
            ],
        }
    }
    members = {
        "half": (workload_of("half"), brought(tmp_path / "half", 1)),
        "sum": (workload_of("sum"), brought(tmp_path / "sum", 100)),
    }
    graph = Workload(name="graph", kind="InferenceGraph", framework="graph", extra={"nodes": nodes})
    contract, package = contract_of("graph"), tmp_path / "package"
    made = packaged(runtime, contract, graph, tmp_path, package, [{"instances": [[1, 2]]}], members=members)
    assert made.answers == [{"predictions": [[300]]}]
    at = runtime.deploy("graph-1", contract, package)
    assert asked(at, contract, [[1, 2], [0, 1]]) == (200, {"predictions": [[300], [100]]})
    deployments = runtime._serve.call("GET")["applications"]["graph-1"]["deployments"]
    assert set(deployments) == {"Ingress", "half", "sum"}
    runtime.undeploy("graph-1")


def test_model_files_are_opened_in_the_applications_environment_alone(runtime, tmp_path):
    """A pickle that does something does it in the proof's own process; what fails there says so here."""
    here = tmp_path / "opened-by"

    class Hostile:
        def __reduce__(self):
            return (exec, (f"import os; open({str(here)!r}, 'w').write(str(os.getpid())); 1/0",))

    model = tmp_path / "model.pkl"
    model.write_bytes(pickle.dumps(Hostile()))
    contract, workload = contract_of("hostile"), Workload(name="hostile", framework="sklearn")
    with pytest.raises(InvalidInputError, match="division by zero"):
        packaged(runtime, contract, workload, model, tmp_path / "package", [{"instances": [[1, 2]]}])
    assert int(here.read_text()) != threading.get_native_id()


def test_code_that_does_not_load_fails_its_own_deployment_alone(runtime, tmp_path):
    """The error names the cause, and models beside it come and go meanwhile."""
    contract, package = contract_of("broken"), tmp_path / "package"
    packaged(runtime, contract, workload_of("broken"), brought(tmp_path / "code", 2), package)
    (package / "models" / "Ingress" / "factor").write_text("no number")
    with pytest.raises(TemporaryError, match="no number"):
        runtime.deploy("broken-1", contract, package)
    beside, other = contract_of("beside"), tmp_path / "other"
    packaged(runtime, beside, workload_of("beside"), brought(tmp_path / "beside", 3), other)
    at = runtime.deploy("beside-1", beside, other)
    assert asked(at, beside, [[1, 2]]) == (200, {"predictions": [[9]]})
    runtime.undeploy("broken-1")
    runtime.undeploy("beside-1")


def test_replicas_follow_the_load_up_and_down_without_a_failed_request(runtime, tmp_path):
    """One replica, three under load, one again after it; every request of a client is answered well."""
    contract, package = contract_of("scaling"), tmp_path / "package"
    declared = {"min_replicas": 1, "max_replicas": 3, "scale_target": 1, "container_concurrency": 4}
    packaged(
        runtime, contract, workload_of("scaling", **declared), brought(tmp_path / "code", 2, 0.05), package
    )
    at = runtime.deploy("scaling-1", contract, package)
    assert replicas(runtime, "scaling-1") == 1
    quiet, over, answers = threading.Event(), threading.Event(), []

    def client(end: threading.Event, pause_seconds: float) -> None:
        while not end.wait(pause_seconds):
            answers.append(asked(at, contract, [[1, 2]]))

    with ThreadPoolExecutor(7) as pool:
        try:
            steady = pool.submit(client, over, 0.5)
            crowd = [pool.submit(client, quiet, 0.0) for _ in range(6)]
            until(lambda: replicas(runtime, "scaling-1") == 3, "three replicas", SCALES_WITHIN_SECONDS)
            quiet.set()
            until(lambda: replicas(runtime, "scaling-1") == 1, "one replica", SCALES_WITHIN_SECONDS)
        finally:
            quiet.set()
            over.set()
    for one in (steady, *crowd):
        one.result()
    assert len(answers) > 50
    assert {status for status, _ in answers} == {200}
    assert all(answer == {"predictions": [[6]]} for _, answer in answers)
    runtime.undeploy("scaling-1")


def replicas(runtime, attempt):
    """Replicas of an attempt's model that run."""
    found = runtime._serve.call("GET")["applications"][attempt]["deployments"]["Ingress"]["replicas"]
    return sum(one["state"] == "RUNNING" for one in found)
