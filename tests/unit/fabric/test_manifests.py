import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.domain.errors import NotFoundError
from turnout.domain.predictor import FORMATS, FORMS
from turnout.domain.workload import Criticality
from turnout.fabric import manifests

ESTATE = Path(__file__).parent.parent / "manifests" / "estate.yaml"

GOOD = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: iris
  annotations:
    turnout.dev/criticality: low
spec:
  predictor:
    minReplicas: 1
    sklearn:
      storageUri: pvc://models/iris
      resources:
        limits: {cpu: "1"}
"""

TWO = "status: {components: {predictor: {traffic: [{percent: 90}, {percent: 10}]}}}"

names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12)
replicas = st.none() | st.integers(0, 9)


def _optional(**fields):
    return st.fixed_dictionaries({}, optional=fields)


implementations = _optional(
    storageUri=texts.map("s3://bucket/{}".format),
    protocolVersion=st.sampled_from(["v1", "v2", "grpc-v2"]),
    resources=_optional(limits=st.fixed_dictionaries({"cpu": st.integers(1, 9), "memory": st.just("2Gi")})),
)
predictors = st.one_of(
    *(st.fixed_dictionaries({form: implementations}) for form in FORMS),
    st.fixed_dictionaries(
        {
            "model": st.builds(
                lambda name, more: {"modelFormat": {"name": name}, **more},
                st.sampled_from(sorted(FORMATS)),
                implementations,
            )
        }
    ),
    st.just({"containers": [{"name": "kserve-container", "image": "x"}]}),
)
services = st.builds(
    lambda name, namespace, labels, predictor, low, criticality: {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels,
            "annotations": {"turnout.dev/criticality": criticality} if criticality else None,
        },
        "spec": {"predictor": {**predictor, "minReplicas": low}},
    },
    names,
    names,
    st.dictionaries(texts, texts, max_size=2),
    predictors,
    replicas,
    st.none() | st.sampled_from(list(Criticality)).map(str),
)


@settings(deadline=None)
@given(
    found=st.lists(
        services,
        min_size=1,
        max_size=4,
        unique_by=lambda one: (one["metadata"]["namespace"], one["metadata"]["name"]),
    ),
    as_list=st.booleans(),
)
def test_every_inference_service_is_found_again(tmp_path_factory, found, as_list):
    """Whatever form and file layout: each service is read once, as it was written, and nothing is made up."""
    folder = tmp_path_factory.mktemp("estate")
    documents = [{"apiVersion": "v1", "kind": "List", "items": found}] if as_list else found
    (folder / "all.yaml").write_text(yaml.safe_dump_all(documents, allow_unicode=True), encoding="utf-8")
    inventory = manifests.read(folder)
    assert inventory.problems == ()
    read = {(one.namespace, one.name): one for one in inventory.workloads}
    for service in found:
        meta, predictor = service["metadata"], service["spec"]["predictor"]
        workload = read.pop((meta["namespace"], meta["name"]))
        assert workload.labels == meta["labels"]
        assert workload.criticality == (meta["annotations"] or {}).get("turnout.dev/criticality")
        assert workload.components[0].min_replicas == predictor["minReplicas"]
        (form,) = predictor.keys() - {"minReplicas"}
        if form != "containers":
            assert workload.storage_uri == predictor[form].get("storageUri")
            assert workload.wire == predictor[form].get("protocolVersion", workload.wire)
    assert not read


@settings(deadline=None)
@given(
    where=st.sampled_from(
        [
            ("apiVersion",), ("kind",), ("metadata",), ("metadata", "name"), ("metadata", "annotations"),
            ("metadata", "annotations", "turnout.dev/criticality"), ("spec",), ("spec", "predictor"),
            ("spec", "predictor", "minReplicas"), ("spec", "predictor", "sklearn"),
            ("spec", "predictor", "sklearn", "storageUri"), ("spec", "predictor", "sklearn", "resources"),
            ("spec", "predictor", "sklearn", "resources", "limits"),
            ("spec", "predictor", "sklearn", "resources", "limits", "cpu"),
        ]
    ),
    wrong=st.sampled_from([-1, "wrong!", True, 1.5, [], ["a"], {"a": {"b": 1}}, [[[]]], "x" * 2000]),
)  # fmt: skip
def test_a_wrong_value_in_any_field_is_at_most_one_clear_line(tmp_path_factory, where, wrong):
    """Hostile values never bring discovery down: it is read, or it is one problem with its line."""
    whole = yaml.safe_load(GOOD)
    part = whole
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = wrong
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "all.yaml").write_text(yaml.safe_dump(whole))
    inventory = manifests.read(folder)
    assert len(inventory.workloads) + len(inventory.problems) + len(inventory.not_read) == 1
    for problem in inventory.problems:
        line = str(problem.error())
        assert "\n" not in line
        assert len(line) < 700
        assert line.startswith(f"{folder / 'all.yaml'}:")


def test_the_fixture_estate_is_read_whole():
    """Old and new predictor forms, lists, transformers, explainers and canaries, each with what it says."""
    inventory = manifests.read(ESTATE)
    assert inventory.problems == ()
    iris, cancer = inventory.workload("iris"), inventory.workload("cancer")
    chat, ranker = inventory.workload("chat"), inventory.workload("ranker")
    assert (iris.framework, iris.wire, iris.owner, iris.criticality) == ("sklearn", "v1", "ana", "low")
    assert iris.components[0].resources == {"cpu": "1", "memory": "1Gi"}
    assert (cancer.framework, cancer.wire, cancer.owner) == ("xgboost", "v2", "bo")
    assert cancer.storage_uri == "s3://prod-models/cancer"
    assert cancer.dependencies == ("secret/feast-token", "secret/storage-config", "service/features/feast")
    assert [component.role for component in cancer.components] == ["predictor", "transformer"]
    assert (chat.extra["task"], chat.owner) == ("text_generation", None)
    assert (ranker.framework, ranker.wire, ranker.canary_in_progress) == ("custom", None, True)
    assert [(graph.kind, graph.name) for graph in inventory.graphs] == [("InferenceGraph", "both")]
    assert [(other.kind, other.name) for other in inventory.not_read] == [("ConfigMap", "notes")]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("    sklearn:", "    sklaern:", 10, "unknown framework 'sklaern'"),
        (
            "    minReplicas: 1\n    sklearn", "    model: {modelFormat: {}}\n    x", 9,
            "modelFormat.name is missing",
        ),
        (GOOD[GOOD.index("spec:") :], "spec: {}\n", 7, "no predictor"),
        (GOOD[GOOD.index("spec:") :], "", 1, "no predictor"),
        (GOOD[GOOD.index("    sklearn:") :], "", 8, "names no framework"),
        ("    minReplicas: 1", "    xgboost: {}", 9, "sklearn and xgboost in one predictor"),
        ('cpu: "1"', "cpu: much", 13, "not a Kubernetes quantity"),
        ("minReplicas: 1", "minReplicas: -1", 9, "minReplicas"),
        ("minReplicas: 1", "minReplicas: 3\n    maxReplicas: 2", 8, "above maxReplicas 2"),
        ("minReplicas: 1", "canaryTrafficPercent: 101", 9, "canaryTrafficPercent"),
        ("criticality: low", "criticality: extreme", 6, "one of low, medium, high"),
        ("  name: iris", "  name: Iris_1", 4, "metadata.name"),
        ("  name: iris\n", "", 3, "metadata.name is missing"),
        ("v1beta1", "v1alpha9", 1, "apiVersion 'serving.kserve.io/v1alpha9'"),
        ("kind: InferenceService\n", "", 1, "no Kubernetes object"),
        ("storageUri: pvc", "protocolVersion: v9\n      storageUri: pvc", 11, "protocolVersion"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(tmp_path, old, new, line, words):
    """The classic mistakes are each one problem, on the line where the user has to look."""
    assert old in GOOD
    (tmp_path / "iris.yaml").write_text(GOOD.replace(old, new, 1))
    (problem,) = manifests.read(tmp_path).problems
    assert words in str(problem.error())
    assert problem.where == f"{tmp_path / 'iris.yaml'}:{line}"


def test_one_broken_file_does_not_hide_the_others(tmp_path):
    """Discovery lists what it can read and every problem, in one go."""
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "broken.yaml").write_text("a: [")
    (tmp_path / "notes.yaml").write_text('["no object"]')
    inventory = manifests.read(tmp_path)
    assert inventory.models == ("iris",)
    assert len(inventory.problems) == 2


def test_what_lies_beside_manifests_in_a_repository_is_no_problem(tmp_path):
    """Requests in JSON, Kustomize's and Helm's own files are listed as not read; a raw template is a line."""
    (tmp_path / "kustomization.yaml").write_text("resources: [iris.yaml]\n")
    (tmp_path / "values.yaml").write_text("replicas: 2\n")
    (tmp_path / "input.json").write_text('{"instances": [[1, 2]]}')
    (tmp_path / "iris.yaml").write_text(GOOD)
    (tmp_path / "wine.yaml").write_text(GOOD.replace("name: iris", "name: {{ .Values.name }}"))
    inventory = manifests.read(tmp_path)
    assert inventory.models == ("iris",)
    assert {other.kind for other in inventory.not_read} == {"Kustomization", "Helm values", "JSON"}
    (problem,) = inventory.problems
    assert "a Helm template that is not rendered" in problem.observed
    assert "helm template" in problem.remedy
    assert problem.where == f"{tmp_path / 'wine.yaml'}:4"


def test_one_broken_document_does_not_hide_the_others_of_its_file(tmp_path):
    """A stream of documents is read one by one, and each line is the line in the file."""
    broken = GOOD.replace("name: iris", "name: [iris")
    wrong = GOOD.replace("name: iris", "name: wine").replace("minReplicas: 1", "minReplicas: -1")
    (tmp_path / "all.yaml").write_text(f"{broken}---\n{wrong}---\n{GOOD}")
    inventory = manifests.read(tmp_path)
    assert inventory.models == ("iris",)
    lines = [problem.where for problem in inventory.problems]
    length = GOOD.count("\n")
    assert lines == [f"{tmp_path / 'all.yaml'}:5", f"{tmp_path / 'all.yaml'}:{length + 1 + 9}"]


def test_typed_lists_are_read_whole(tmp_path):
    """An InferenceServiceList's entries may leave their kind to the list's."""
    item = yaml.safe_load(GOOD)
    del item["kind"], item["apiVersion"]
    whole = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceServiceList", "items": [item]}
    (tmp_path / "all.json").write_text(json.dumps(whole))
    assert manifests.read(tmp_path).models == ("iris",)


def test_a_name_that_is_there_twice_is_a_problem(tmp_path):
    """Which of two definitions is in force is never guessed."""
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(GOOD)
    inventory = manifests.read(tmp_path)
    (problem,) = inventory.problems
    assert "a second time, first in" in problem.observed
    assert inventory.workloads == ()


@pytest.mark.parametrize(
    ("predictor", "status", "expected"),
    [
        ("canaryTrafficPercent: 10", "", True),
        ("canaryTrafficPercent: 100", "", False),
        ("canaryTrafficPercent: 10", "status: {deploymentMode: RawDeployment}", False),
        ("canaryTrafficPercent: 10", "status: {components: {predictor: {traffic: [{percent: 100}]}}}", False),
        ("canaryTrafficPercent: 10", TWO, True),
        ("timeout: 1", TWO, True),
        ("timeout: 1", "", False),
    ],
)  # fmt: skip
def test_a_canary_of_kserve_is_seen(tmp_path, predictor, status, expected):
    """A migration is not started between two revisions; a percentage that KServe ignores is no canary."""
    (tmp_path / "iris.yaml").write_text(GOOD.replace("minReplicas: 1", predictor) + status)
    assert manifests.read(tmp_path).workload("iris").canary_in_progress is expected


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("sklearn: {}", "v1"),
        ("triton: {}", "v2"),
        ("onnx: {}", "v2"),
        ("sklearn: {protocolVersion: v2}", "v2"),
        ("model: {modelFormat: {name: triton}}", "v2"),
        ("model: {modelFormat: {name: sklearn}}", "v1"),
        ("model: {modelFormat: {name: sklearn}, runtime: kserve-mlserver}", "v2"),
        ("containers: [{image: x, env: [{name: PROTOCOL, value: v2}]}]", "v2"),
        ("containers: [{image: x}]", None),
    ],
)
def test_the_protocol_is_what_kserve_would_make_it(tmp_path, form, expected):
    """Where nothing is declared KServe's own defaults hold, and a custom container stays unknown."""
    head = GOOD[: GOOD.index("    sklearn:")]
    (tmp_path / "iris.yaml").write_text(f"{head}    {form}\n")
    assert manifests.read(tmp_path).workload("iris").wire == expected


def test_null_is_absent(tmp_path):
    """A key with null counts as absent, as in Kubernetes."""
    text = GOOD.replace(
        "minReplicas: 1", "minReplicas: null\n    xgboost: null\n    canaryTrafficPercent: null"
    )
    (tmp_path / "iris.yaml").write_text(text)
    workload = manifests.read(tmp_path).workload("iris")
    assert workload.framework == "sklearn"
    assert workload.components[0].min_replicas is None


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_no_manifest_at_all_is_not_found(tmp_path, name):
    """An empty or missing folder is an error, never an empty estate."""
    with pytest.raises(NotFoundError, match="Check the path"):
        manifests.read(tmp_path / name)
