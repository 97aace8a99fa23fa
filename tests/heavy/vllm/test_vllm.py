"""The language model, packaged and deployed on a real vLLM."""

import json

import httpx
import pytest

from runtimes.vllm import CONFIG, FOLDER
from tasks.deploy import deploy_candidate
from turnout.domain.evidence import Verdict
from turnout.domain.package import PackageVersion

MODEL = "smollm"

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def deployed(wiring, packaged):
    """Evidence of the deployment, with vLLM running."""
    yield deploy_candidate.fn(MODEL, packaged.attempt)
    wiring.vllm.undeploy(packaged.attempt)


@pytest.fixture(scope="module")
def port(deployed):
    """The candidate's port."""
    return deployed.measurements["endpoint"]["port"]


def test_the_package_names_its_weights_and_pins_its_sampling(wiring, packaged):
    """Registered by digest; fetched, the weights are the legacy model's own file: nothing is copied."""
    version = PackageVersion.model_validate(packaged.measurements["package"])
    manifest = wiring.packages.fetch(version, wiring.state.work / "seen")
    assert manifest.runtime == "vllm"
    assert manifest.runtime_config["engine"]["generation_config"] == "vllm"
    weights = wiring.state.work / "seen" / FOLDER / "model.safetensors"
    assert weights.stat().st_ino == (wiring.state.model_files(MODEL) / "model.safetensors").stat().st_ino


def test_golden_requests_are_answered_by_the_path_that_clients_call(deployed):
    """The same paths and bodies as before, streams included; then the router is told."""
    assert deployed.verdict is Verdict.PASS, deployed.reasons
    assert deployed.measurements["requests"] > 0


@pytest.mark.parametrize("path", ["/openai/v1/models", "/v1/models"])
def test_both_paths_are_served(port, path):
    """KServe's clients and vLLM's own: a request that moves between the arms keeps its path."""
    found = httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False).json()
    assert [one["id"] for one in found["data"]] == [MODEL]


def test_what_a_package_asks_for_is_what_its_manifest_says(wiring, packaged):
    """The file that the runtime reads and the manifest that Kubernetes reads are one."""
    version = PackageVersion.model_validate(packaged.measurements["package"])
    directory = wiring.state.work / "same"
    manifest = wiring.packages.fetch(version, directory)
    assert json.loads((directory / CONFIG).read_text()) == manifest.runtime_config["engine"]
