"""The image and the manifest of the sentinel, as far as they hold without an engine to build them."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "deployments" / "images" / "sentinel.Dockerfile"
MANIFEST = ROOT / "deployments" / "kubernetes" / "sentinel.yaml"
SITE = "/opt/turnout/lib/python3.11/site-packages/"
LOADED = """
import runpy, sys
from importlib import metadata
sys.argv = ["sentinel", "--help"]
try:
    runpy.run_module("turnout.services.sentinel", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
from turnout.services.sentinel import patrol
assert patrol.__file__.startswith(sys.path[0]), patrol.__file__
owners = metadata.packages_distributions()
tops = {name.partition(".")[0] for name in sys.modules}
print("loaded:", *sorted({owner.lower().replace("_", "-") for top in tops for owner in owners.get(top, ())}))
"""


def steps(word):
    """The arguments of each step of a kind."""
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    return [shlex.split(line.partition(" ")[2]) for line in text.splitlines() if line.startswith(f"{word} ")]


def locked():
    """Names of the locked packages, with the pinned versions."""
    return dict(
        re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "locks" / "sentinel.txt").read_text(), re.MULTILINE)
    )


def test_what_is_copied_is_enough_and_loads_nothing_but_what_is_locked(tmp_path):
    """The files that the image takes start by themselves; every package that they load is in its lock."""
    for *sources, target in (step for step in steps("COPY") if not step[0].startswith("--from")):
        if not target.startswith(SITE):
            continue
        for source in sources:
            place = tmp_path / target.removeprefix(SITE)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, place)
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}){LOADED}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.splitlines()[-1].split()[1:]) - {
        "turnout",
        "pip",
        "setuptools",
        "distutils-precedence",
    }
    assert loaded
    assert loaded <= locked().keys()


def test_versions_are_those_that_are_tested():
    """What the image installs is what the controlling process, and so every test, runs on."""
    core = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "locks" / "core.txt").read_text(), re.MULTILINE))
    assert locked()
    assert all(core[name] == version for name, version in locked().items())


def test_it_runs_as_nobody_from_hashes():
    """No root in the image, no package without its hash, the last stage installs nothing."""
    assert steps("USER") == [["65532:65532"]]
    [install] = [step for step in steps("RUN") if "install" in step]
    assert "--require-hashes" in install
    last = DOCKERFILE.read_text().rpartition("\nFROM ")[2]
    assert "pip" not in last


@pytest.fixture
def pod():
    """The pod of the Deployment."""
    deployment, _ = yaml.safe_load_all(MANIFEST.read_text())
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"]["type"] == "Recreate"
    return deployment["spec"]["template"]["spec"]


def test_the_pod_keeps_the_restricted_standard(pod):
    """Kubernetes' Pod Security Standard "restricted", and no word to the API server."""
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert not pod["automountServiceAccountToken"]
    [container] = pod["containers"]
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert {kind for volume in pod["volumes"] for kind in volume if kind != "name"} <= {
        "configMap",
        "persistentVolumeClaim",
    }


def test_nothing_throttles_it(pod):
    """A processor limit would make it judge late; memory is bounded."""
    [container] = pod["containers"]
    assert "cpu" not in container["resources"]["limits"]
    assert container["resources"]["limits"]["memory"]


def test_the_image_is_started_as_the_manifest_asks(pod):
    """The port that is probed is the one that it answers on, by options that it has."""
    [container] = pod["containers"]
    answer = subprocess.run(
        [sys.executable, "-m", "turnout.services.sentinel", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    assert all(option in answer for option in container["args"] if option.startswith("--"))
    port = int(container["args"][container["args"].index("--port") + 1])
    assert [one["containerPort"] for one in container["ports"]] == [port]
