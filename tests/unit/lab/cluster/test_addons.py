from collections import defaultdict
from pathlib import Path

import pytest

from turnout.lab.cluster.addons import names, objects

MANIFESTS = sorted(Path(objects.__file__).parent.glob("*.yaml"))


def test_an_addon_brings_along_what_it_needs_in_the_order_of_their_start():
    """Whatever is asked for comes after all that it needs; nothing else comes along."""
    assert names.complete(()) == ()
    assert names.complete((names.GATEWAY,)) == (names.NODE, names.GATEWAY)
    assert names.complete((names.GATEWAY, names.NODE)) == (names.NODE, names.GATEWAY)


def test_a_deployment_is_available_when_its_newest_template_runs():
    """Neither an older template's pods nor some of the newest one's are enough."""
    done = {
        "metadata": {"generation": 2},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2},
    }

    assert objects.available(done)
    assert not objects.available(done | {"status": {}})
    assert not objects.available(done | {"status": done["status"] | {"observedGeneration": 1}})
    assert not objects.available(done | {"status": done["status"] | {"updatedReplicas": 1}})


def test_a_condition_holds_only_when_it_is_there_and_true():
    """No condition is not a condition that holds."""
    ready = objects.condition("Ready")

    assert not ready({})
    assert not ready({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}})
    assert ready({"status": {"conditions": [{"type": "Ready", "status": "True"}]}})


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda file: file.stem)
def test_an_addons_manifest_is_read(manifest):
    """Whatever its values are, every document of it is an object with a kind and a name."""
    found = objects.load(manifest, defaultdict(lambda: "value"))

    assert found
    assert all(item["kind"] and item["metadata"]["name"] for item in found)
