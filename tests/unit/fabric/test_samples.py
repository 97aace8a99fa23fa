"""Samples of every form that KServe, Knative, Kubeflow and Seldon document, read for meaning."""

from pathlib import Path

import pytest

from turnout.domain.dependency_graph import dependency_graph
from turnout.domain.inference_graph import Call
from turnout.fabric import manifests

SAMPLES = Path(__file__).parent.parent / "samples"


@pytest.fixture(name="predictors", scope="module")
def _predictors():
    return manifests.read(SAMPLES / "predictors.yaml")


@pytest.fixture(name="components", scope="module")
def _components():
    return manifests.read(SAMPLES / "components.yaml")


@pytest.fixture(name="kinds", scope="module")
def _kinds():
    return manifests.read(SAMPLES / "kinds.yaml")


@pytest.mark.parametrize(
    ("name", "framework", "wire", "storage"),
    [
        ("sklearn-v1", "sklearn", "v1", "gs://samples/sklearn/model"),
        ("sklearn-v2", "sklearn", "v2", "gs://samples/sklearn/model"),
        ("xgboost", "xgboost", "v2", "s3://samples/xgboost"),
        ("lightgbm", "lightgbm", "v1", "https://samples.example/lightgbm.tar.gz"),
        ("pmml", "pmml", "v1", "hdfs://samples/pmml"),
        ("paddle", "paddle", "v1", "https://samples.blob.core.windows.net/models/paddle"),
        ("onnx", "onnx", "v2", "gs://samples/onnx"),
        ("tensorflow", "tensorflow", "v1", "gs://samples/flowers"),
        ("tensorflow-grpc", "tensorflow", "grpc-v1", "gs://samples/flowers"),
        ("pytorch", "pytorch", "v2", "gs://samples/torchserve/bert"),
        ("triton", "triton", "v2", "oci://registry.example/models/triton:3"),
        ("huggingface", "huggingface", "openai", "hf://meta-llama/Llama-3.1-8B-Instruct"),
        ("vllm", "huggingface", "v2", "hf://Qwen/Qwen2.5-0.5B"),
        ("mlflow", "mlflow", "v2", "gs://samples/wine"),
        ("own-format", "openvino", "v1", "pvc://claim/openvino"),
        ("custom", "custom", "v2", "s3://samples/custom"),
        ("multi-node", "huggingface", "v1", "pvc://llama/hf/8b"),
        ("storage-spec", "sklearn", "v1", "s3://example/sklearn/model.joblib"),
        ("several-storages", "huggingface", "v1", "hf://org/base"),
        ("old-canary", "tensorflow", "v1", "gs://samples/flowers"),
        ("old-custom", "custom", None, None),
    ],
)
def test_each_predictor_form_means_what_it_says(predictors, name, framework, wire, storage):
    """Framework, protocol and storage of each form, of today and of old."""
    found = predictors.workload(name)
    assert (found.framework, found.wire, found.storage_uri) == (framework, wire, storage)


def test_every_sample_of_a_predictor_is_read(predictors):
    """None is a problem, and none is left out."""
    assert predictors.problems == ()
    assert len(predictors.workloads) == 21


def test_what_predictors_carry_beside_their_model(predictors):
    """Tasks, accelerators, secrets by name, several nodes, several storages."""
    chat, custom = predictors.workload("huggingface"), predictors.workload("custom")
    assert chat.extra["task"] == "text_generation"
    assert chat.components[0].resources["nvidia.com/gpu"] == "1"
    assert chat.dependencies == ("secret/hf-secret",)
    assert predictors.workload("tensorflow").model_format == "tensorflow (runtime 2.6.2-gpu)"
    assert custom.components[0].image == "registry.example/custom:1"
    nodes = predictors.workload("multi-node")
    assert (nodes.extra["multi_node"], nodes.extra["pipeline_parallel_size"]) == (True, 2)
    assert [one.role for one in nodes.components] == ["predictor", "worker"]
    assert nodes.components[1].resources == {"nvidia.com/gpu": "4"}
    assert nodes.dependencies == ("volume/llama",)
    assert "secret/minio-credentials" in predictors.workload("storage-spec").dependencies
    assert predictors.workload("several-storages").extra["storage_uris"][1] == "hf://org/adapter"
    assert "spec.predictor.model.ports" in predictors.workload("tensorflow-grpc").unread


def test_the_old_default_and_canary_form_is_understood(predictors):
    """v1alpha2: default is the workload, canary a canary in progress, custom a container of one's own."""
    old, custom = predictors.workload("old-canary"), predictors.workload("old-custom")
    assert old.canary_in_progress
    (canary,) = old.extra["canaries"]
    assert (canary["percent"], canary["storage_uri"]) == (10, "gs://samples/flowers-2")
    assert (old.components[0].max_replicas, old.components[0].container_concurrency) == (3, 4)
    assert old.dependencies == ("account/models",)
    roles = [(one.role, one.framework, one.image) for one in custom.components]
    assert roles == [
        ("predictor", "custom", "registry.example/old"),
        ("transformer", "custom", "registry.example/old-transformer"),
        ("explainer", "alibi", None),
    ]


def test_what_stands_beside_a_predictor(components):
    """Transformers in their own pod and in the predictor's, and an explainer by its library."""
    assert components.problems == ()
    transformed = components.workload("transformed")
    assert [(one.role, one.min_replicas) for one in transformed.components] == [
        ("predictor", None),
        ("transformer", 2),
    ]
    assert transformed.dependencies == ("service/features/feast",)
    collocated = components.workload("collocated").components
    assert [(one.role, one.image) for one in collocated] == [
        ("predictor", "registry.example/torchserve"),
        ("transformer", "registry.example/transformer"),
    ]
    assert components.workload("explained").components[1].framework == "art"


def test_batchers_loggers_and_autoscaling_are_carried(components):
    """What a target has to do again: batches, copies, scaling by KPA, HPA or KEDA."""
    batched = components.workload("batched").components[0]
    assert (batched.batcher, batched.timeout_seconds) == ({"max_batch_size": 32, "max_latency": 500}, 60)
    assert batched.logger == {"mode": "all", "url": "http://message-dumper.default/"}
    stored = components.workload("logged-to-storage")
    assert stored.components[0].logger["storage"]["path"] == "logs"
    assert "secret/storage-config" in stored.dependencies
    scaled = components.workload("scaled").components[0]
    assert (scaled.min_replicas, scaled.max_replicas, scaled.container_concurrency) == (0, 5, 10)
    assert (scaled.scale_metric, scaled.scale_target) == ("concurrency", 1)
    keda = components.workload("keda-scaled")
    assert keda.components[0].autoscaling["metrics"][0]["type"] == "External"
    assert keda.deployment_mode == "Standard"


def test_both_canary_mechanisms_are_seen(components):
    """Knative's percentage and the Standard mode's list; modes go by today's names."""
    knative, standard = components.workload("canary-knative"), components.workload("canary-standard")
    assert (knative.canary_in_progress, knative.deployment_mode) == (True, "Knative")
    assert knative.components[0].extra["canary_percent"] == 30
    assert standard.canary_in_progress
    (canary,) = standard.extra["canaries"]
    assert (canary["name"], canary["percent"], canary["storage_uri"]) == ("v2", 20, "s3://samples/v2")
    assert not components.workload("scaled").canary_in_progress


def test_a_canary_of_another_component_is_seen(components):
    """A transformer's percentage counts as a predictor's does, and 0 is a percentage."""
    found = components.workload("canary-transformer")
    assert found.canary_in_progress
    (transformer,) = (part for part in found.components if part.role == "transformer")
    assert transformer.extra["canary_percent"] == 0


def test_runtimes_are_resolved_among_those_that_are_there(kinds):
    """The namespace's own runtime serves iris, since the cluster's speaks V2 only."""
    assert kinds.problems == ()
    iris = kinds.workload("iris")
    assert (iris.runtime, iris.extra["runtime_from"]) == ("sklearn-of-the-team", "resolved")
    assert iris.components[0].image == "registry.example/sklearn"
    names = [(one.namespace, one.name) for one in kinds.runtimes]
    assert names == [(None, "kserve-mlserver"), ("default", "sklearn-of-the-team")]


def test_graphs_name_what_they_call(kinds):
    """Sequence, Ensemble, Splitter and Switch; Seldon's Pipelines and Experiments."""
    graphs = {graph.kind: graph for graph in kinds.graphs}
    assert set(graphs) == {"InferenceGraph", "Pipeline", "Experiment"}
    calls = graphs["InferenceGraph"].calls
    assert Call(target="iris2", step="pick[1]", weight=80) in calls
    assert Call(target="http://other.prod.svc.cluster.local/v1", step="both[1]", is_url=True) in calls
    assert graphs["InferenceGraph"].inner == ("Sequence root -> both",)
    assert graphs["Pipeline"].inner == ("first -> seldon-2",)
    assert graphs["Experiment"].splits
    edges = {(edge.source, edge.target) for edge in dependency_graph(kinds).edges}
    assert ("InferenceGraph/default/ensemble", "InferenceService/default/iris") in edges
    assert ("TrainedModel/default/second-model", "InferenceService/default/iris") in edges
    assert ("ScheduledWorkflow/default/nightly", "InferenceService/default/iris") in edges


def test_language_models_are_read_with_prefill_and_workers(kinds):
    """LLMInferenceServices: replicas, accelerators, parallelism, adapters, presets by name."""
    llm, nodes = kinds.workload("llm"), kinds.workload("llm-multi-node")
    assert (llm.kind, llm.framework, llm.wire) == ("LLMInferenceService", "huggingface", "openai")
    parts = [(one.role, one.min_replicas, one.resources["nvidia.com/gpu"]) for one in llm.components]
    assert parts == [("predictor", 3, "2"), ("prefill", 2, "1")]
    assert llm.extra["router"] == ["gateway", "route", "scheduler"]
    assert nodes.extra["parallelism"] == {"data": 16, "data_local": 8, "expert": True}
    assert (nodes.extra["adapters"], nodes.extra["base_refs"]) == (["hf://org/lora"], ["presets"])
    assert nodes.extra["multi_node"]


def test_other_serving_stacks_are_read(kinds):
    """Knative Services of one's own, TrainedModels, SeldonDeployments, Seldon 2 Models."""
    own = kinds.workload("own-knative")
    assert (own.kind, own.framework, own.wire, own.canary_in_progress) == ("Service", "custom", None, True)
    assert (own.components[0].min_replicas, own.components[0].max_replicas) == (1, 4)
    assert kinds.workload("iris-predictor") is None
    second = kinds.workload("second-model")
    assert (second.framework, second.storage_uri) == ("sklearn", "gs://samples/second")
    seldon = kinds.workload("seldon")
    assert (seldon.framework, seldon.wire, seldon.storage_uri) == ("sklearn", "v2", "gs://samples/seldon")
    assert [(one.role, one.min_replicas) for one in seldon.components] == [
        ("predictor", 2),
        ("transformer", 2),
    ]
    assert seldon.canary_in_progress
    model = kinds.workload("seldon-2")
    assert (model.framework, model.dependencies) == ("sklearn", ("secret/s",))


def test_recurring_runs_are_listed_with_their_clock(kinds):
    """A recurring run is no model; its owner and clock are known."""
    (nightly,) = kinds.schedules
    assert (nightly.cron, nightly.is_enabled, nightly.owner) == ("0 0 2 * * *", True, "ana")
