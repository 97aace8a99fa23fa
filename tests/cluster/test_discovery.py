"""Discovery from a real API server gives the inventory that a folder gives, with the role that is shipped."""

import json
from pathlib import Path

import pytest
import yaml

from turnout.domain.dependency_graph import dependency_graph
from turnout.fabric import manifests
from turnout.fabric.kubernetes import estate
from turnout.fabric.kubernetes.api import ClusterApi
from turnout.fabric.kubernetes.apply import Applier

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "unit" / "samples"
NAMESPACE = "discovered"
UNSERVED = ("SeldonDeployment", "Model", "Pipeline", "Experiment", "ScheduledWorkflow")
OLD = "serving.kubeflow.org/v1alpha2"


def _samples():
    """The samples of kinds that this API server serves, in a namespace of their own."""
    whole = [
        one
        for file in sorted(SAMPLES.glob("*.yaml"))
        for one in yaml.safe_load_all(file.read_text(encoding="utf-8"))
        if one["kind"] not in UNSERVED and one["apiVersion"] != OLD
    ]
    for one in whole:
        if one["kind"] != "ClusterServingRuntime":
            one["metadata"]["namespace"] = NAMESPACE
    return whole


@pytest.fixture(name="estates", scope="module")
def _estates(control_plane, tmp_path_factory):
    """The samples in the cluster, as the discovery's own service account sees it, and in a folder."""
    samples = _samples()
    folder = tmp_path_factory.mktemp("estate")
    (folder / "all.yaml").write_text(yaml.safe_dump_all(samples), encoding="utf-8")
    role = yaml.safe_load_all(
        (ROOT / "deployments/kubernetes/base/discovery.yaml").read_text(encoding="utf-8")
    )
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        for name in ("turnout", NAMESPACE)
    ]
    with Applier(control_plane.kubeconfig) as applier:
        applier.apply([*namespaces, *role])
        for one in samples:
            made = applier.apply([{key: value for key, value in one.items() if key != "status"}])[0]
            if "status" in one:
                whole = made | {"status": one["status"]}
                applier.call("PUT", f"{applier.path(one)}/status", body=whole, named=one["metadata"]["name"])
    yield ClusterApi(control_plane.kubeconfig_of("turnout/turnout-discovery")), manifests.read(folder)
    with Applier(control_plane.kubeconfig) as applier:
        for one in reversed(samples):
            applier.delete(one)


def _told(inventory):
    """Everything but where it was read, and what the API server itself writes."""
    whole = json.loads(inventory.model_dump_json(exclude={"not_read", "problems"}))
    for entries in whole.values():
        for entry in entries:
            entry.pop("source")
            entry.pop("created", None)
            entry.pop("annotations", None)
            entry["unread"] = sorted(way for way in entry["unread"] if not way.startswith("metadata."))
    return whole


def _differences(one, other, way=""):
    """Where two values differ, each with both sides."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted(one.keys() | other.keys())
        return [each for key in keys for each in _differences(one.get(key), other.get(key), f"{way}.{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [each for index, pair in pairs for each in _differences(*pair, f"{way}[{index}]")]
    return [] if one == other else [(way, one, other)]


def test_a_cluster_and_a_folder_give_the_same_inventory(estates):
    """Whatever the API server adds or defaults, what is found is the same, and no problem comes up."""
    api, from_folder = estates
    found = estate.read(api, (NAMESPACE,))
    assert found.problems == from_folder.problems == ()
    assert _differences(_told(found), _told(from_folder)) == []
    assert dependency_graph(found) == dependency_graph(from_folder)
    assert {one.kind for one in found.workloads} == {
        "InferenceService",
        "TrainedModel",
        "LLMInferenceService",
        "Service",
    }


def test_pages_hold_every_object_once(estates):
    """Whatever the size of a page: nothing is missing, nothing is there twice."""
    api, from_folder = estates
    kind = ("serving.kserve.io/v1beta1", "inferenceservices")
    for size in (1, 7, 500):
        pages = list(api.pages(*kind, namespace=NAMESPACE, page_size=size))
        names = [item["metadata"]["name"] for page in pages for item in page]
        assert all(len(page) <= size for page in pages)
        expected = [one.name for one in from_folder.workloads if one.kind == "InferenceService"]
        assert sorted(names) == sorted(expected)


def test_everything_that_is_served_is_known(estates):
    """Core kinds, KServe's and those of other definitions, by group version and plural."""
    api, _ = estates
    served = api.served()
    assert {("v1", "nodes"), ("serving.kserve.io/v1beta1", "inferenceservices")} <= served
    assert ("serving.knative.dev/v1", "services") in served
    assert list(api.pages("machinelearning.seldon.io/v1", "seldondeployments")) == []
