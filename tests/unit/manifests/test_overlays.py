import shutil
from pathlib import Path

import pytest

from flows import prepare
from turnout.domain.accelerators import AcceleratorKind
from turnout.fabric import pools
from turnout.fabric.kubernetes import kustomize
from turnout.settings import load

KUBERNETES = Path(__file__).parents[3] / "deployments" / "kubernetes"
ACCELERATORS = {
    "laptop": set(),
    "gke": {AcceleratorKind.GPU, AcceleratorKind.TPU},
    "eks": {AcceleratorKind.GPU},
    "aks": {AcceleratorKind.GPU},
}


@pytest.mark.parametrize("overlay", ACCELERATORS)
def test_an_overlays_pools_can_be_placed_on(overlay):
    """Each overlay's pools file is read, has a pool without accelerators, and those of its cloud."""
    found = pools.read(KUBERNETES / "overlays" / overlay / "pools.yaml")
    kinds = {pool.kind for pool in found if pool.accelerator}
    assert kinds == ACCELERATORS[overlay]
    assert [pool for pool in found if not pool.accelerator]
    if kinds:
        assert all(pool.node_labels for pool in found)
        assert all(pool.taints for pool in found if pool.accelerator)


@pytest.mark.parametrize("overlay", ACCELERATORS)
def test_an_overlays_cluster_section_is_read(overlay, tmp_path):
    """In the place of the base's, as its pods mount it: with images, and volumes that its class gives."""
    for file in (KUBERNETES / "base" / "turnout.yaml", KUBERNETES / "overlays" / overlay / "cluster.yaml"):
        shutil.copy(file, tmp_path)
    found = load(tmp_path / "turnout.yaml").cluster
    assert {"worker", "triton", "ray_serve", "vllm"} <= found.images.keys()
    assert found.images["vllm"].startswith("turnout-vllm:") == (overlay == "laptop")
    assert (found.packages.access_mode == "ReadWriteOnce") == (overlay == "laptop")


def test_the_shipped_settings_are_read():
    """What every pod mounts has no unknown key, and reads the estate from the cluster."""
    found = load(KUBERNETES / "base" / "turnout.yaml")
    assert found.estate == "cluster"
    assert found.sentinel.startswith("http://turnout-sentinel.turnout.svc:")


@pytest.mark.parametrize("overlay", ACCELERATORS)
def test_every_listener_tells_what_passes_it_in_time(overlay):
    """A pair of patches each: requests under way each second, and records within 0.1 s."""
    found = {each["kind"]: each for each in kustomize.render(kustomize.place(overlay))}
    listeners = [f"turnout/turnout/{each['name']}" for each in found["Gateway"]["spec"]["listeners"]]
    (patches,) = [found["EnvoyPatchPolicy"]["spec"]["jsonPatches"]]
    for path in ("/access_log_options", "/buffer_flush_interval"):
        assert [each["name"] for each in patches if each["operation"]["path"] == path] == listeners


def selected(selector, labels):
    """Whether a label selector of the kinds that ours use takes a pod."""
    wanted = (selector.get("matchLabels") or {}).items()
    one_of = {each["key"]: each["values"] for each in selector.get("matchExpressions") or ()}
    assert all(each["operator"] == "In" for each in selector.get("matchExpressions") or ())
    return wanted <= labels.items() and all(labels.get(key) in values for key, values in one_of.items())


def callers(policy):
    """Selectors of those in the namespace who may call a policy's pods."""
    peers = [peer for rule in policy["spec"].get("ingress", ()) for peer in rule["from"]]
    return [
        peer["podSelector"] for peer in peers if "podSelector" in peer and "namespaceSelector" not in peer
    ]


def test_the_pod_of_a_run_may_do_what_the_worker_may():
    """Prefect writes over such labels of a run's pod as app.kubernetes.io/name: policies take another."""
    found = [each for each in kustomize.render(kustomize.place("gke")) if each["kind"] == "NetworkPolicy"]
    template = prepare.template("kubernetes", "any")["job_configuration"]["job_manifest"]["spec"]["template"]
    run = {key: value for key, value in template["metadata"]["labels"].items() if "kubernetes.io" not in key}
    applied = {each["metadata"]["name"] for each in found if selected(each["spec"]["podSelector"], run)}
    assert applied == {"default-deny", "names", "api-server", "flow"}
    may_call = {
        each["metadata"]["name"] for each in found if any(selected(one, run) for one in callers(each))
    }
    assert may_call == {"prefect", "mlflow", "sentinel"}


@pytest.mark.parametrize("overlay", ACCELERATORS)
def test_every_policy_is_about_pods_that_there_are(overlay):
    """A selector that takes no pod lets nobody through, and nobody notices."""
    found = kustomize.render(kustomize.place(overlay))
    pods = [
        each["spec"]["template"]["metadata"]["labels"] for each in found if "template" in each.get("spec", ())
    ]
    for each in found:
        if each["kind"] == "NetworkPolicy":
            for selector in (each["spec"]["podSelector"], *callers(each)):
                assert any(selected(selector, pod) for pod in pods), (each["metadata"]["name"], selector)
