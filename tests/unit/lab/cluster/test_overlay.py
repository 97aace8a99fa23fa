from pathlib import Path

import pytest
import yaml

from turnout.fabric.kubernetes import installation, kustomize
from turnout.lab.cluster.node import overlay, volumes
from turnout.settings import load


def images(item):
    """Images of a Deployment's or StatefulSet's containers."""
    pod = item["spec"]["template"]["spec"]
    return {each["image"] for each in (*pod.get("initContainers", ()), *pod["containers"])}


@pytest.mark.parametrize("jobs", [False, True], ids=["processes", "jobs"])
def test_on_the_node_every_image_is_one_of_its_own(tmp_path: Path, jobs: bool):
    """No pod of the overlay names an image of a registry, whatever the shipped manifests name."""
    built = {name: f"localhost/{dockerfile}:0" for name, dockerfile in overlay._IMAGES.items()}
    candidates = {name: f"localhost/{dockerfile}:0" for name, dockerfile in overlay._CANDIDATES.items()}
    written = overlay._kustomization(built, "localhost/envoy:0", "198.18.0.2")
    overlay._stand_on(written, kustomize.place("laptop"), tmp_path, jobs=jobs)
    files = {"kustomization.yaml": written, "names.yaml": overlay._names("198.18.0.2")}
    for name, said in {**files, **overlay._settings(candidates)}.items():
        (tmp_path / name).write_text(yaml.safe_dump(said))

    found = {item["kind"] + item["metadata"]["name"]: item for item in kustomize.render(tmp_path)}
    named = {each for item in found.values() if "template" in item.get("spec", ()) for each in images(item)}
    assert named == set(built.values())
    label, _, value = installation.LABEL.partition("=")
    assert {item["metadata"]["labels"][label] for item in found.values()} == {value}
    worker = found["Deploymentturnout-worker"]["spec"]["template"]["spec"]
    assert ("--type=kubernetes" in worker["containers"][0]["args"]) == jobs
    assert (worker["serviceAccountName"] == "turnout-worker") == jobs
    assert "StatefulSetturnout-objects" in found
    assert yaml.safe_load(found["ConfigMapturnout-pools"]["data"]["pools.yaml"])
    proxies = found["EnvoyProxyturnout"]["spec"]["provider"]["kubernetes"]
    assert proxies["envoyDeployment"]["container"]["image"] == "localhost/envoy:0"
    assert [each["port"] for each in found["Gatewayturnout"]["spec"]["listeners"]] == [overlay.PORT]
    settings = tmp_path / "read"
    settings.mkdir()
    for name, text in found["ConfigMapturnout-settings"]["data"].items():
        (settings / name).write_text(text)
    read = load(settings / "turnout.yaml")
    assert read.cluster.images == candidates
    assert read.cluster.head.cpu < 1
    assert read.cluster.packages.storage_class == volumes.PACKAGES
    assert read.gateway is not None
    assert read.gateway.hostname == overlay.HOSTNAME
