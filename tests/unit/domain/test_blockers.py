from turnout.domain.blockers import BlockerKind
from turnout.domain.contract import Contract, SameAnswer, Tensor, Transformer
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


BEHIND = IRIS.model_copy(
    update={
        "wire": "v2",
        "components": (*IRIS.components, Component(role="transformer", framework="custom")),
    }
)
TOLD = Transformer(
    file="transformer.py",
    input=Tensor(name="a", datatype="FP32", shape=(-1, 4)),
    output=Tensor(name="b", datatype="FP32", shape=(-1, 3)),
)


def _blockers(found=IRIS, **agreed):
    contract = Contract(
        model="iris", wire="v1", inputs=(), outputs=(), same_answer=SameAnswer(kind="labels"), **agreed
    )
    (line,) = plan(Inventory(workloads=(found,)), (), Terms({"iris": contract})).lines
    return {blocker.kind: blocker for blocker in line.blockers}


def test_sessions_that_stay_on_one_server_are_not_moved():
    """Each request is drawn by chance, so a session would be torn apart: the plan asks its owner first."""
    assert BlockerKind.STICKY not in _blockers()
    blocker = _blockers(sticky="x-session")[BlockerKind.STICKY]
    assert "x-session" in blocker.what
    assert blocker.question


def test_a_container_of_ones_own_moves_by_its_owners_word():
    """Its code is Python beside its files, says the contract; without that word it stays where it is."""
    found = IRIS.model_copy(update={"framework": "custom"})
    undecided = {BlockerKind.CUSTOM_CONTAINER, BlockerKind.NOT_PACKAGED}
    assert undecided <= _blockers(found).keys()
    assert not undecided & _blockers(found, custom="python").keys()


def test_a_graph_wants_every_models_storage():
    """One model whose files are nowhere to be found keeps the whole graph."""
    graph = IRIS.model_copy(update={"framework": "graph", "storage_uri": None, "members": (IRIS, IRIS)})
    assert BlockerKind.NO_STORAGE not in _blockers(graph)
    lost = IRIS.model_copy(update={"storage_uri": None})
    assert BlockerKind.NO_STORAGE in _blockers(graph.model_copy(update={"members": (IRIS, lost)}))


def test_a_transformer_moves_where_its_contract_says_what_it_is():
    """Nothing is known of a container's code: the owner names the file with its functions, or it stays."""
    assert "transformer.file" in _blockers(BEHIND)[BlockerKind.TRANSFORMER].what
    assert BlockerKind.TRANSFORMER not in _blockers(BEHIND, transformer=TOLD)


def test_a_transformer_in_front_of_what_triton_does_not_serve_stays():
    """Only a Triton ensemble takes it along."""
    found = BEHIND.model_copy(update={"framework": "mlflow"})
    assert "Triton alone" in _blockers(found, transformer=TOLD)[BlockerKind.TRANSFORMER].what


def test_clients_of_a_transformer_speak_what_the_contract_says():
    """The manifest tells the predictor's protocol, which is the transformer's business: V1 in front of V2."""
    found = _blockers(BEHIND, transformer=TOLD)
    assert BlockerKind.CONTRACT_MISMATCH not in found
    assert BlockerKind.UNSUPPORTED_PROTOCOL not in found


def test_a_transformer_that_the_manifest_does_not_have_is_a_mismatch():
    """Code that clients never met is not put in front of them."""
    assert BlockerKind.CONTRACT_MISMATCH in _blockers(transformer=TOLD)


def test_embeddings_move_to_vllm_where_their_clients_speak_openais_protocol():
    """KServe's server answers them over both; the contract tells which one, and vLLM speaks one alone."""
    found = IRIS.model_copy(
        update={"framework": "huggingface", "wire": "v2", "extra": {"task": "text_embedding"}}
    )
    same = SameAnswer(kind="embedding")
    for wire, blocked in (("openai", False), ("v2", True)):
        contract = Contract(model="iris", wire=wire, inputs=(), outputs=(), same_answer=same)
        (line,) = plan(Inventory(workloads=(found,)), (), Terms({"iris": contract})).lines
        kinds = {blocker.kind for blocker in line.blockers}
        assert not kinds & {BlockerKind.NOT_PACKAGED, BlockerKind.CONTRACT_MISMATCH}
        assert (BlockerKind.UNSUPPORTED_PROTOCOL in kinds) is blocked
