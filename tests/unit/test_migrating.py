import json

import pytest

from runtimes.kubernetes.deployed import Deployed
from runtimes.ray_serve import RayServe
from runtimes.triton import Triton
from runtimes.vllm import VLLM
from turnout.settings import Settings
from turnout.wiring.migrating import Wiring


@pytest.fixture
def settings(tmp_path):
    """Settings with a kubeconfig of a cluster that nobody calls."""
    cluster = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "x", "clusters": [cluster],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    paths = dict.fromkeys(("state", "manifests", "contracts", "pools", "owners"), tmp_path)
    return Settings(kubeconfig=tmp_path / "kubeconfig", **paths)


def test_the_estate_says_what_its_runtimes_are(settings):
    """A lab's are its servers; a cluster's are manifests, packaged by the lab's of the same names."""
    lab = Wiring(settings)
    on_cluster = Wiring(settings.model_copy(update={"estate": "cluster"}))
    assert [type(each) for each in lab.runtimes()] == [RayServe, Triton, VLLM]
    assert [type(each) for each in on_cluster.runtimes()] == [Deployed] * 3
    assert [each.name for each in on_cluster.runtimes()] == [each.name for each in lab.runtimes()]


def test_on_a_cluster_nothing_of_a_lab_is_needed(settings, tmp_path):
    """An attempt that never deployed anything ends without a supervisor, and without a call."""
    for each in Wiring(settings.model_copy(update={"estate": "cluster"})).runtimes():
        each.undeploy("iris-1")
    assert not (tmp_path / "servers").exists()
