from turnout.domain.blockers import BlockerKind
from turnout.domain.contract import Contract, SameAnswer
from turnout.domain.inventory import Inventory
from turnout.domain.plan import Terms, plan
from turnout.domain.workload import Component, Workload

IRIS = Workload(
    name="iris",
    framework="sklearn",
    wire="v1",
    owner="ana",
    storage_uri="s3://b/iris",
    components=(Component(role="predictor", framework="sklearn"),),
)


def _blockers(**agreed):
    contract = Contract(
        model="iris", wire="v1", inputs=(), outputs=(), same_answer=SameAnswer(kind="labels"), **agreed
    )
    (line,) = plan(Inventory(workloads=(IRIS,)), (), Terms({"iris": contract})).lines
    return {blocker.kind: blocker for blocker in line.blockers}


def test_sessions_that_stay_on_one_server_are_not_moved():
    """Each request is drawn by chance, so a session would be torn apart: the plan asks its owner first."""
    assert BlockerKind.STICKY not in _blockers()
    blocker = _blockers(sticky="x-session")[BlockerKind.STICKY]
    assert "x-session" in blocker.what
    assert blocker.question
