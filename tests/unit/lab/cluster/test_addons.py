from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from turnout.lab.cluster import definitions, programs
from turnout.lab.cluster.addons import names, objects, rollouts

MANIFESTS = sorted(Path(objects.__file__).parent.glob("*.yaml"))


def test_an_addon_brings_along_what_it_needs_in_the_order_of_their_start():
    """Whatever is asked for comes after all that it needs; nothing else comes along."""
    assert names.complete(()) == ()
    assert names.complete((names.GATEWAY,)) == (names.NODE, names.GATEWAY)
    assert names.complete((names.GATEWAY, names.NODE)) == (names.NODE, names.GATEWAY)


def test_what_only_a_benchmark_needs_is_not_built_ahead_of_the_tests():
    """Argo Rollouts and its plugin are built when the add-on is asked for, and pinned as the others are."""
    for program in (programs.ARGO_ROLLOUTS, programs.GATEWAY_PLUGIN):
        assert program not in programs.ALL
        assert f"tool {program.package}\n" in (program.sources / "go.mod").read_text()


def test_the_rollouts_addon_comes_after_the_gateway_that_its_plugin_moves():
    """Its kinds' module is the one that its controller is built from."""
    assert names.complete((names.ROLLOUTS,)) == (names.NODE, names.GATEWAY, names.ROLLOUTS)
    (source,) = (
        each
        for each in yaml.safe_load(definitions.SOURCES.read_text())
        if programs.ARGO_ROLLOUTS.package.startswith(f"{each['module']}/")
    )
    required = f"{source['module']} {source['version']} // indirect\n"
    assert required in (programs.ARGO_ROLLOUTS.sources / "go.mod").read_text()


def test_the_controllers_plugin_is_where_its_configuration_says():
    """It is read as a list of names and locations, and a file's location is a URL."""
    values = {
        "image": "one",
        "plugin": rollouts.PLUGIN,
        "location": "file:///usr/local/bin/gatewayapi-plugin",
    }
    found = objects.load(Path(rollouts.__file__).with_suffix(".yaml"), values)
    (config,) = (item for item in found if item["kind"] == "ConfigMap")

    assert yaml.safe_load(config["data"]["trafficRouterPlugins"]) == [
        {"name": "argoproj-labs/gatewayAPI", "location": "file:///usr/local/bin/gatewayapi-plugin"}
    ]


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
