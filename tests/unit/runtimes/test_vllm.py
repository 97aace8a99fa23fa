"""What vLLM is started with, worked out before anything is started."""

import json
from pathlib import Path

import pytest

from runtimes import Source
from runtimes.kubernetes import vllm as kubernetes
from runtimes.kubernetes.served import Package, Served
from runtimes.vllm import CONFIG, VLLM, weights
from runtimes.vllm.arguments import EMBED, MODULE, PINNED, arguments
from runtimes.vllm.engine import BLOCK_TOKENS, MOST_SEQUENCES, Place, settings
from turnout.domain.assignment import Assignment
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Tensor, Wire
from turnout.domain.errors import InvalidInputError, UnsupportedError
from turnout.domain.pools import Pool
from turnout.domain.targets import TargetRuntime
from turnout.domain.workload import Component, Workload

LLAMA = {
    "architectures": ["LlamaForCausalLM"], "dtype": "bfloat16", "num_hidden_layers": 32, "hidden_size": 4096,
    "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 131_072,
}  # fmt: skip
"""Llama 3.1 8B, as its config.json says; 16.06 GB of weights."""
WEIGHTS = 16_060_000_000
CHAT = Contract(model="chat", wire=Wire.OPENAI, same_answer=SameAnswer(kind=AnswerKind.TEXT))


def test_the_cache_gets_what_the_weights_leave():
    """128 KiB a token of Llama 3.1 8B: 2 x 32 layers x 8 heads x 128 x 2 bytes."""
    found = settings("chat", LLAMA, WEIGHTS, Place(memory_gib=72), {})
    tokens = found.kv_cache_gib * 2**30 / (128 * 1024)
    assert (found.dtype, found.max_model_len) == ("bfloat16", 131_072)
    assert found.kv_cache_gib == pytest.approx(72 - 1.2 * WEIGHTS / 2**30, abs=0.01)
    assert found.max_num_seqs == int(tokens // BLOCK_TOKENS * BLOCK_TOKENS / 131_072 * 8)


def test_a_small_place_shortens_the_context_and_says_so_where_the_owner_wants_it_whole():
    """What nobody asked for may give way; what an owner promised may not."""
    place = Place(memory_gib=21.6)
    found = settings("chat", LLAMA, WEIGHTS, place, {})
    assert found.max_model_len < 131_072
    assert found.max_model_len % BLOCK_TOKENS == 0
    with pytest.raises(InvalidInputError, match="room for"):
        settings("chat", LLAMA, WEIGHTS, place, {"max_model_len": 131_072})


def test_what_does_not_fit_at_all_is_refused():
    """Before a node is asked for it."""
    with pytest.raises(InvalidInputError, match="room for 0 tokens"):
        settings("chat", LLAMA, WEIGHTS, Place(memory_gib=16), {})


def test_accelerators_have_to_divide_the_heads():
    """VLLM refuses it too, minutes later."""
    with pytest.raises(InvalidInputError, match="32 attention heads over 3"):
        settings("chat", LLAMA, WEIGHTS, Place(memory_gib=72, tensor=3), {})
    found = settings("chat", LLAMA, WEIGHTS, Place(memory_gib=14, tensor=2, pipeline=2), {})
    assert (found.tensor_parallel_size, found.pipeline_parallel_size) == (2, 2)


def test_a_place_that_computes_in_twice_the_bits_has_room_for_less():
    """On a CPU weights and cache grow to float32."""
    half = settings("chat", LLAMA, WEIGHTS, Place(memory_gib=72), {"max_model_len": 8192})
    whole = settings("chat", LLAMA, WEIGHTS, Place(memory_gib=72, dtype="float32"), {"max_model_len": 8192})
    assert whole.dtype == "float32"
    assert whole.kv_cache_gib == pytest.approx(half.kv_cache_gib - 1.2 * WEIGHTS / 2**30, abs=0.01)


def test_owners_limits_stand():
    """The longest sequence and how many at a time."""
    found = settings("chat", LLAMA, WEIGHTS, Place(memory_gib=72), {"max_model_len": 4096, "max_num_seqs": 7})
    assert (found.max_model_len, found.max_num_seqs) == (4096, 7)
    assert (
        settings("c", LLAMA, WEIGHTS, Place(memory_gib=72), {"max_model_len": 4096}).max_num_seqs
        == MOST_SEQUENCES
    )


def test_a_config_without_its_layers_is_refused():
    """Nothing is guessed."""
    with pytest.raises(InvalidInputError, match=r"config\.json of chat"):
        settings("chat", {"hidden_size": 8}, 1, Place(memory_gib=1), {})


def test_options_become_arguments():
    """Names as vLLM writes them; flags without a value, and nothing for what is not set."""
    options = {"max_model_len": 8, "enforce_eager": True, "quantization": None, "trust_remote_code": False}
    found = arguments(weights="/package/weights", model="chat", port=8000, options=options)
    assert found == (
        "--model=/package/weights", "--served-model-name=chat", "--port=8000", "--max-model-len=8",
        "--enforce-eager",
    )  # fmt: skip


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder as Hugging Face saves one, with tiny weights."""
    folder = tmp_path / "chat"
    folder.mkdir()
    small = LLAMA | {"num_hidden_layers": 1, "hidden_size": 64, "num_attention_heads": 2}
    (folder / "config.json").write_text(json.dumps(small))
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "notes.txt"):
        (folder / name).write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def source(folder: Path, contract: Contract = CHAT, *arguments: str) -> Source:
    """What a package is made from."""
    component = Component(role="predictor", framework="huggingface", args=arguments)
    found = Workload(
        name="chat", namespace="models", kind="InferenceService", framework="huggingface", wire="openai",
        components=(component,), source="chat.yaml",
    )  # fmt: skip
    return Source(contract, found, folder, [])


def runtime(tmp_path: Path) -> VLLM:
    """The runtime, with nothing that could be started."""
    return VLLM(tmp_path, None)  # type: ignore[arg-type]


def test_a_package_carries_what_decides_an_answer_and_names_its_weights(tmp_path: Path, saved: Path):
    """Tokenizer and template are in it; weights are named by place and digest; what it asks for is pinned."""
    directory = tmp_path / "package"
    made = runtime(tmp_path).package(source(saved, CHAT, "--max-model-len=2048"), directory, print)
    assert made.answers is None
    assert made.config["engine"] == {**PINNED, "max_model_len": 2048}
    assert sorted(f.name for f in (directory / "weights").iterdir()) == [
        "chat_template.jinja", "config.json", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    (external,) = made.external
    assert [f.path for f in external.files] == ["model.safetensors"]
    assert external.location == saved.as_uri()


def test_a_package_of_embeddings_pools_as_its_own_folder_says(tmp_path: Path, saved: Path):
    """Vectors instead of tokens; pooling, length and the longest text are those of the model's folder."""
    vectors = Contract(model="chat", wire=Wire.OPENAI, same_answer=SameAnswer(kind=AnswerKind.EMBEDDING))
    (saved / "1_Pooling").mkdir()
    for name in ("modules.json", "1_Pooling/config.json"):
        (saved / name).write_text("{}")
    (saved / "sentence_bert_config.json").write_text('{"max_seq_length": 256}')
    directory = tmp_path / "package"
    made = runtime(tmp_path).package(source(saved, vectors), directory, print)
    assert made.config["engine"] == {**PINNED, **EMBED, "max_model_len": 256}
    assert (directory / "weights" / "1_Pooling" / "config.json").is_file()
    owners = runtime(tmp_path).package(source(saved, vectors, "--max-model-len=128"), tmp_path / "b", print)
    assert owners.config["engine"]["max_model_len"] == 128


@pytest.mark.parametrize("missing", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_folder_that_lacks_something_is_no_model(tmp_path: Path, saved: Path, missing: str):
    """Pickled weights are code and do not count as weights."""
    (saved / missing).rename(saved / "pytorch_model.bin")
    with pytest.raises(InvalidInputError):
        runtime(tmp_path).package(source(saved), tmp_path / "package", print)


def test_only_openais_clients_move_to_vllm(tmp_path: Path, saved: Path):
    """Any other protocol is refused, and the runtime says what it speaks."""
    tensor = (Tensor(name="x", datatype="FP32", shape=(-1, 1)),)
    other = Contract(
        model="m", wire=Wire.V2, inputs=tensor, outputs=tensor, same_answer=SameAnswer(kind=AnswerKind.JSON)
    )
    with pytest.raises(UnsupportedError, match="clients that speak v2"):
        runtime(tmp_path).package(source(saved, other), tmp_path / "package", print)


@pytest.mark.parametrize("changed", [{"generation_config": "auto"}, {"root_path": None}])
def test_a_package_that_leaves_sampling_or_the_path_to_chance_is_not_deployed(
    tmp_path: Path, saved: Path, changed: dict[str, str]
):
    """Unchanged clients that name no temperature would get answers sampled in another way."""
    directory = tmp_path / "package"
    runtime(tmp_path).package(source(saved), directory, print)
    (directory / CONFIG).write_text(json.dumps(PINNED | changed))
    with pytest.raises(InvalidInputError, match=next(iter(changed))):
        runtime(tmp_path).deploy("chat-1", CHAT, directory)


def test_weights_are_safetensors_alone(saved: Path):
    """And their size is known without opening them."""
    (saved / "pytorch_model.bin").write_bytes(b"code")
    assert weights.size_bytes(saved) == len(b"weights")


def served(**config: object) -> Served:
    """An attempt on a pool with two accelerators a node."""
    assigned = Assignment(
        model="chat", namespace="models", runtime=TargetRuntime.VLLM, pool="gpus", replicas=2, hosts=1,
        accelerators=2, cpu=4, memory_gib=16,
    )  # fmt: skip
    pool = Pool(name="gpus", accelerator="nvidia-l4", accelerators_per_node=2, cpu=8, memory_gib=32, nodes=2)
    return Served(
        attempt="chat-1", assignment=assigned, pool=pool, image="vllm:1", package=Package(claim="chat-1"),
        runtime_config=config,
    )  # fmt: skip


def test_a_cluster_starts_the_engine_as_the_lab_does_with_the_pools_memory():
    """One command line; the settings follow the accelerators that the pods get."""
    config = {"weights": "weights", "engine": dict(PINNED), "model_config": LLAMA, "weights_bytes": WEIGHTS}
    (deployment, *_) = kubernetes.manifests(served(**config))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    asked = dict(word.removeprefix("--").split("=", 1) for word in container["args"])
    wanted = settings("chat", LLAMA, WEIGHTS, Place(memory_gib=0.9 * 24, tensor=2), {})
    assert container["command"] == ["python3", "-m", MODULE]
    assert (asked["model"], asked["served-model-name"]) == ("/package/weights", "chat")
    assert (asked["generation-config"], asked["root-path"]) == ("vllm", "/openai")
    assert int(asked["max-model-len"]) == wanted.max_model_len
    assert int(asked["max-num-seqs"]) == wanted.max_num_seqs
    assert asked["tensor-parallel-size"] == "2"


def on_a_cpu(hosts: int = 1, **config: object) -> Served:
    """An attempt on a pool without accelerators."""
    assigned = Assignment(
        model="chat", namespace="models", runtime=TargetRuntime.VLLM, pool="laptop", replicas=1, cpu=2.5,
        memory_gib=4, hosts=hosts,
    )  # fmt: skip
    pool = Pool(name="laptop", cpu=4, memory_gib=8, nodes=4)
    return Served(
        attempt="chat-1", assignment=assigned, pool=pool, image="vllm:1", package=Package(claim="chat-1"),
        runtime_config=config,
    )  # fmt: skip


def test_without_accelerators_the_pods_memory_holds_weights_and_cache():
    """In float32, nothing compiled; vLLM's own processes keep what they take, and threads are whole cores."""
    config = {"weights": "weights", "engine": dict(PINNED), "model_config": LLAMA, "weights_bytes": 2**29}
    (deployment, *_) = kubernetes.manifests(on_a_cpu(**config))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    asked = dict(word.removeprefix("--").partition("=")[::2] for word in container["args"])
    wanted = settings("chat", LLAMA, 2**29, Place(memory_gib=1.75, dtype="float32"), {})
    assert (asked["dtype"], asked["tensor-parallel-size"], asked["enforce-eager"]) == ("float32", "1", "")
    assert int(asked["kv-cache-memory-bytes"]) == int(wanted.kv_cache_gib * 2**30)
    assert int(asked["max-model-len"]) == wanted.max_model_len
    env = {each["name"]: each["value"] for each in container["env"]}
    assert (env["OMP_NUM_THREADS"], env["VLLM_CPU_OMP_THREADS_BIND"]) == ("2", "nobind")
    assert env["TORCH_COMPILE_DISABLE"] == "1"
    assert container["resources"]["limits"] == {"cpu": "2500m", "memory": "4096Mi"}


def test_a_model_that_does_not_fit_a_cpus_memory_is_refused_before_anything_is_applied():
    """Too large, or of a size that its package does not tell."""
    with pytest.raises(InvalidInputError, match="room for 0 tokens"):
        kubernetes.manifests(on_a_cpu(model_config=LLAMA, weights_bytes=2**31))
    with pytest.raises(InvalidInputError, match="no model_config in the package"):
        kubernetes.manifests(on_a_cpu(engine=dict(PINNED)))


def test_several_hosts_without_accelerators_are_no_place_for_a_model():
    """Nor is a part of a pool with accelerators that has none of them."""
    config = {"model_config": LLAMA, "weights_bytes": 2**29}
    with pytest.raises(UnsupportedError, match="no accelerators on 2 hosts of pool laptop"):
        kubernetes.application(on_a_cpu(hosts=2, **config))
    there = served(**config)
    bare = there.assignment.model_copy(update={"accelerators": 0})
    with pytest.raises(UnsupportedError, match="no accelerators on 1 hosts of pool gpus"):
        kubernetes.manifests(there.model_copy(update={"assignment": bare}))


def test_a_pod_of_embeddings_has_started_once_it_has_answered_with_a_vector():
    """The probe asks what its clients ask; of a chat that is a token."""
    asked = {}
    for engine in (PINNED, {**PINNED, **EMBED}):
        (deployment, *_) = kubernetes.manifests(served(engine=dict(engine)))
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        asked[len(engine)] = container["startupProbe"]["exec"]["command"][-1]
        compile(asked[len(engine)], "probe", "exec")
    tokens, vectors = asked.values()
    assert "/v1/completions" in tokens
    assert "/v1/embeddings" in vectors
    assert "--runner=pooling" in container["args"]


def test_under_ray_the_prefix_is_the_applications():
    """Clients call the same path; what is no option of the engine does not reach it."""
    found = kubernetes.application(served(engine=dict(PINNED)))
    (config,) = found["args"]["llm_configs"]
    assert found["route_prefix"] == "/openai"
    assert config["engine_kwargs"] == {
        "generation_config": "vllm", "tensor_parallel_size": 2, "pipeline_parallel_size": 1,
    }  # fmt: skip
    assert config["placement_group_config"]["bundles"] == [{"CPU": 1, "GPU": 1}] * 2
    assert config["deployment_config"] == {"num_replicas": 2}
