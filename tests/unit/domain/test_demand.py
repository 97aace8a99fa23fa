import json

import pytest

from turnout.domain.demand import THROUGHPUT, demand
from turnout.domain.observed import Figure, Observed
from turnout.domain.weights import Sizing
from turnout.domain.workload import Component, Workload

LLAMA = {
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "hidden_size": 4096,
    "vocab_size": 128256, "max_position_embeddings": 131072, "torch_dtype": "bfloat16",
}  # fmt: skip
"""Of Llama 3.1 8B's config.json."""


def _model(args=(), config=None, predictor=None, **fields):
    marks = fields.pop("annotations", {})
    if config:
        marks = marks | {"turnout.dev/model-config": json.dumps(config)}
    component = Component(role="predictor", framework="huggingface", args=tuple(args), **(predictor or {}))
    fields = {"framework": "huggingface", "storage_uri": "hf://meta-llama/Llama-3.1-8B-Instruct"} | fields
    return Workload(name="m", components=(component,), annotations=marks, **fields)


def _seen(rate, p99=None):
    figure = Figure(value=rate, source="a counter", window_seconds=60)
    return Observed(
        requests_per_second=figure,
        latency_p99_seconds=Figure(value=p99, source="a histogram") if p99 else None,
    )


def test_weights_and_cache_are_worked_out_by_the_formulas():
    """8e9 parameters of 2 bytes; 2 x 32 layers x 8 heads x 128 x 2 bytes for each of 16 x 8192 tokens."""
    found = demand(_model(["--max-model-len=8192", "--max-num-seqs", "16"], LLAMA))
    assert found.model.weights_gib == pytest.approx(8e9 * 2 / 2**30 * 1.2)
    assert found.model.cache_gib == pytest.approx(16.0)
    assert found.model.each_gib(1) == pytest.approx((8e9 * 2.4 / 2**30 + 16) / 0.9)
    assert (found.number_format, found.heads) == ("bfloat16", 32)
    assert "KV cache 16.0 GiB: 2 x 32 layers x 8 heads x 128 x 2 bytes x 8192 tokens" in " ".join(found.basis)
    assert found.unknown == ("cores", "memory", "traffic")


def test_more_accelerators_than_kv_heads_hold_copies():
    """Eight KV heads on sixteen accelerators: each pair holds the same head, and no memory is saved by it."""
    found = demand(_model(["--max-model-len=8192", "--max-num-seqs=16"], LLAMA)).model
    assert found.each_gib(16) == pytest.approx((found.weights_gib / 16 + found.cache_gib / 8) / 0.9)


@pytest.mark.parametrize(
    ("fields", "gib"),
    [
        ({}, 8e9 * 2),
        ({"storage_uri": "hf://x/Qwen2.5-0.5B"}, 0.5e9 * 2),
        ({"storage_uri": "hf://x/SmolLM2-135M"}, 135e6 * 2),
        ({"storage_uri": "s3://models/mixtral-8x7b"}, 56e9 * 2),
        ({"storage_uri": "hf://x/Qwen3-30B-A3B"}, 30e9 * 2),
        ({"annotations": {"turnout.dev/parameters": "8.03e9"}}, 8.03e9 * 2),
        ({"annotations": {"turnout.dev/parameters": "70B"}}, 70e9 * 2),
        ({"args": ["--model_id=x/Phi-3.8B"], "storage_uri": None}, 3.8e9 * 2),
        ({"storage_uri": "hf://x/Llama-3.1-8B-FP8"}, 8e9 * (1 + 0.131)),
        ({"args": ["--quantization", "awq"]}, 8e9 * (0.52 * (1 - 0.131) + 2 * 0.131)),
        ({"args": ["--dtype", "float32"]}, 8e9 * 4),
    ],
)
def test_parameters_and_bits_are_read_where_they_are_written(fields, gib):
    """Annotation before name, quantisation before plain format; embeddings stay in 16 bits."""
    found = demand(_model(**fields), Sizing(overhead_share=0))
    assert found.model.weights_gib == pytest.approx(gib / 2**30)


@pytest.mark.parametrize(
    "fields",
    [
        {"storage_uri": "pvc://claim/model"},
        {"storage_uri": "hf://x/Llama-3.1-8B", "args": ["--quantization=never-heard-of"]},
        {"storage_uri": "hf://x/Qwen2.5-0.5B-AWQ"},
        {"storage_uri": None},
    ],
)
def test_what_nobody_wrote_down_stays_unknown(fields):
    """No size is guessed: the reader is told that it is unknown."""
    found = demand(_model(**fields))
    assert found.model is None
    assert "model size" in found.unknown


@pytest.mark.parametrize(
    ("config", "args", "missing"),
    [
        (None, ["--max-model-len=8192"], "KV cache"),
        (LLAMA | {"kv_lora_rank": 512}, ["--max-model-len=8192"], "KV cache"),
        (LLAMA, ["--max-model-len=8192"], "concurrency"),
        ({"num_hidden_layers": "x"}, [], "KV cache"),
    ],
)
def test_a_cache_that_cannot_be_worked_out_is_said(config, args, missing):
    """Compressed attention has another formula; without a concurrency one sequence is all that is held."""
    found = demand(_model(args, config))
    assert missing in found.unknown
    assert found.model.cache_gib == (1.0 if missing == "concurrency" else 0.0)


def test_a_config_that_is_not_json_is_as_good_as_none():
    """An annotation that anyone may write breaks no plan."""
    found = demand(_model(annotations={"turnout.dev/model-config": "[" * 50}))
    assert found.model is not None


@pytest.mark.parametrize(
    ("fields", "replicas", "words"),
    [
        ({}, 2, "legacy's minReplicas"),
        ({"observed": _seen(50)}, 2, "legacy's minReplicas"),
        ({"observed": _seen(50), "annotations": {THROUGHPUT: "12"}}, 5, "at 12 a replica"),
        ({"observed": _seen(1), "annotations": {THROUGHPUT: "12"}}, 2, "traffic needs 1"),
        ({"observed": _seen(50, p99=0.5), "predictor": {"container_concurrency": 4}}, 7, "at 4 at a time"),
    ],
)
def test_replicas_follow_from_traffic_and_are_never_fewer_than_legacys(fields, replicas, words):
    """What a replica bears as its owner measured it, else Little's law; unknown traffic is said."""
    predictor = {"min_replicas": 2} | fields.pop("predictor", {})
    found = demand(_model(predictor=predictor, **fields))
    assert found.replicas == replicas
    assert words in " ".join(found.basis)
    assert ("traffic" in found.unknown) == ("observed" not in fields)


@pytest.mark.parametrize(
    ("fields", "accelerators"),
    [
        ({"args": ["--tensor-parallel-size=4"]}, 4),
        ({"args": ["--tensor_parallel_size", "4", "--pipeline-parallel-size", "2"]}, 8),
        ({"extra": {"tensor_parallel_size": 8, "pipeline_parallel_size": 2, "multi_node": True}}, 16),
        ({"args": ["--tensor-parallel-size=2"], "predictor": {"resources": {"nvidia.com/gpu": "2"}}}, 2),
        ({}, 0),
    ],
)
def test_a_model_is_split_as_its_owner_split_it(fields, accelerators):
    """Arguments or KServe's workerSpec say over how many accelerators, and fewer are never taken."""
    assert demand(_model(**fields)).accelerators == accelerators


def test_cores_and_memory_are_legacys_else_observed_with_a_margin():
    """Limits before requests; telemetry where nothing is declared; else unknown."""
    asked = {"resources": {"cpu": "500m", "memory": "2Gi", "nvidia.com/gpu": "2"}, "min_replicas": 3}
    plain = demand(_model(framework="onnx", predictor=asked))
    assert (plain.cpu, plain.memory_gib, plain.accelerators, plain.kind) == (0.5, 2.0, 2, "gpu")
    seen = Observed(cpu_cores=Figure(value=6, source="x"), memory_gib=Figure(value=3, source="x"))
    found = demand(_model(framework="onnx", observed=seen, predictor={"min_replicas": 3}))
    assert (found.cpu, found.memory_gib) == (pytest.approx(2.3), pytest.approx(1.15))


def test_accelerator_memory_is_that_of_legacys_own():
    """By node label, or by the MIG profile; a label that is not known says nothing."""
    one = {"resources": {"nvidia.com/gpu": "1"}}
    model = _model(framework="onnx", predictor=one)
    labelled = model.model_copy(
        update={"extra": {"node_selector": {"cloud.google.com/gke-accelerator": "nvidia-l4"}}}
    )
    assert demand(labelled).accelerator_memory_gib == 24
    assert "accelerator memory" in demand(model).unknown
    slices = {"resources": {"nvidia.com/mig-3g.20gb": "1"}}
    assert demand(_model(framework="onnx", predictor=slices)).accelerator_memory_gib == 20


def test_a_model_without_accelerators_lies_in_its_pods_memory():
    """In float32, with vLLM's own memory; never less than legacy has, and told with its source."""
    marks = {"turnout.dev/accelerator": "none", "turnout.dev/parameters": "135M"}
    asked = {"resources": {"cpu": "1", "memory": "2Gi"}}
    small = demand(_model(annotations=marks, predictor=asked, storage_uri="pvc://models/smollm"))
    assert small.without
    assert small.memory_gib == pytest.approx(135e6 * 4 * 1.2 / 2**30 + 2.25)
    assert "2.853 GiB of memory: weights and cache in float32, 2.25 GiB of vLLM's own" in small.basis
    assert not any("accelerator's memory" in line for line in small.basis)
    enough = demand(_model(annotations=marks, predictor={"resources": {"memory": "4Gi"}}))
    assert enough.memory_gib == 4
    cached = demand(_model(["--max-model-len=1024"], LLAMA, annotations=marks))
    assert cached.memory_gib == pytest.approx(small.memory_gib + 2 * 32 * 8 * 128 * 4 * 1024 / 2**30)
    assert not demand(_model(annotations={"turnout.dev/accelerator": "some"})).without
