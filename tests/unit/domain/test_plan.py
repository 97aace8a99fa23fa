import pytest

from turnout.domain.blockers import BlockerKind
from turnout.domain.contract import Contract, SameAnswer
from turnout.domain.inventory import Inventory
from turnout.domain.plan import Plan, Terms, plan
from turnout.domain.pools import Pool
from turnout.domain.workload import Component, Workload

UNSUPPORTED = BlockerKind.UNSUPPORTED_FRAMEWORK
CPU = Pool(name="cpu", cpu=8, memory_gib=32, nodes=4, price_per_hour_usd=0.4)
PREDICTOR = Component(role="predictor", framework="sklearn", resources={"cpu": "1", "memory": "1Gi"})


def _workload(**fields):
    ready = {
        "name": "iris",
        "framework": "sklearn",
        "wire": "v1",
        "owner": "ana",
        "storage_uri": "s3://b/iris",
    }
    return Workload(**{**ready, "components": (PREDICTOR,), **fields})


def _contract(wire="v1"):
    return Contract(model="iris", wire=wire, inputs=(), outputs=(), same_answer=SameAnswer(kind="labels"))


def _line(workload, pools=(CPU,), contracts=None):
    agreed = {"iris": _contract()} if contracts is None else contracts
    return plan(Inventory(workloads=(workload,)), pools, Terms(agreed)).lines[0]


def test_a_v1_client_gets_a_bridge_and_a_v2_client_none():
    """What Triton does not speak is bridged; what it speaks goes straight there: clients change nothing."""
    v1, v2 = _line(_workload()), _line(_workload(wire="v2"), contracts={"iris": _contract("v2")})
    assert (v1.runtime, v1.bridge, v1.blockers) == ("triton", "ray_serve", ())
    assert (v2.runtime, v2.bridge, v2.blockers) == ("triton", None, ())
    assert v1.placement.best.pool == "cpu"


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"owner": None}, BlockerKind.NO_OWNER),
        ({"framework": "custom"}, BlockerKind.CUSTOM_CONTAINER),
        ({"framework": "tensorflow"}, UNSUPPORTED),
        ({"framework": "paddle"}, UNSUPPORTED),
        ({"framework": "lightgbm"}, BlockerKind.NOT_PACKAGED),
        ({"framework": "huggingface", "extra": {"task": "text2text_generation"}}, UNSUPPORTED),
        ({"canary_in_progress": True}, BlockerKind.CANARY_IN_PROGRESS),
        ({"components": (PREDICTOR, Component(role="explainer", framework=None))}, BlockerKind.EXPLAINER),
        ({"components": (PREDICTOR, Component(role="transformer", framework=None))}, BlockerKind.TRANSFORMER),
        ({"wire": None}, BlockerKind.UNSUPPORTED_PROTOCOL),
        ({"wire": "grpc-v2"}, BlockerKind.UNSUPPORTED_PROTOCOL),
        ({"wire": "v2"}, BlockerKind.CONTRACT_MISMATCH),
        ({"storage_uri": None}, BlockerKind.NO_STORAGE),
        ({"extra": {"multi_node": True}}, BlockerKind.MULTI_NODE),
        ({"components": (PREDICTOR.model_copy(update={"resources": {"cpu": "99"}}),)}, BlockerKind.NO_POOL),
    ],
)  # fmt: skip
def test_what_stands_in_the_way_is_a_blocker(fields, kind):
    """A model that cannot move as it is says so in the plan, before anything is measured or moved."""
    assert kind in {blocker.kind for blocker in _line(_workload(**fields)).blockers}


def test_no_contract_is_a_blocker():
    """Nothing is moved without what its owner promises."""
    assert [blocker.kind for blocker in _line(_workload(), contracts={}).blockers] == [
        BlockerKind.NO_CONTRACT
    ]


@pytest.mark.parametrize(
    ("fields", "runtime"),
    [
        ({"framework": "xgboost"}, "triton"),
        ({"framework": "onnx"}, "triton"),
        ({"framework": "pytorch"}, "triton"),
        ({"framework": "mlflow"}, "ray_serve"),
        ({"framework": "custom"}, "ray_serve"),
        ({"framework": "huggingface", "extra": {"task": "text_generation"}}, "vllm"),
        ({"framework": "huggingface"}, "vllm"),
        ({"framework": "pmml"}, None),
        ({"framework": "never-heard-of"}, None),
    ],
)
def test_the_framework_decides_the_runtime(fields, runtime):
    """Tensors go to Triton, generation to vLLM, Python to Ray Serve, and what none of them reads nowhere."""
    assert _line(_workload(**fields)).runtime == runtime


def test_a_small_language_model_goes_to_a_laptop_at_its_owners_word():
    """And nowhere without it: the plan says which word is missing, and blocks."""
    resources = {"cpu": "1", "memory": "3Gi"}
    predictor = Component(role="predictor", framework="huggingface", resources=resources)
    marks = {"turnout.dev/parameters": "135M", "turnout.dev/accelerator": "none"}
    laptop = Pool(name="laptop", cpu=4, memory_gib=8, nodes=1)
    found = _workload(framework="huggingface", wire="openai", components=(predictor,), annotations=marks)
    agreed = Contract(model="iris", wire="openai", same_answer=SameAnswer(kind="text"))
    terms = Terms({"iris": agreed})
    planned = plan(Inventory(workloads=(found,)), (laptop,), terms)
    assert planned.lines[0].blockers == ()
    (place,) = planned.assignments
    assert (place.runtime, place.pool, place.accelerators, place.hosts) == ("vllm", "laptop", 0, 1)
    assert (place.cpu, place.memory_gib) == (1, 3)
    unsaid = found.model_copy(update={"annotations": {"turnout.dev/parameters": "135M"}})
    (line,) = plan(Inventory(workloads=(unsaid,)), (laptop,), terms).lines
    assert [each.kind for each in line.blockers] == [BlockerKind.NO_POOL]
    assert "turnout.dev/accelerator: none" in line.placement.nothing_fits


def test_a_plan_is_read_back_as_it_was_written():
    """The file that a plan is kept in loses nothing, and carries each line's digest."""
    planned = plan(Inventory(workloads=(_workload(),)), (CPU,), Terms())
    again = Plan.model_validate_json(planned.document())
    assert again == planned
    assert again.lines[0].digest in planned.document()


def test_the_digest_tells_lines_apart():
    """An approved plan is not carried out under another price or another blocker."""
    line = _line(_workload())
    assert line.digest == _line(_workload()).digest
    assert line.digest != _line(_workload(), pools=(CPU.model_copy(update={"price_per_hour_usd": 9}),)).digest
