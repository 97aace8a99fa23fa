"""The language model, packaged, deployed on a real vLLM, and not to be told from its legacy server."""

import json
import os
import shutil

import httpx
import pytest

from runtimes.vllm import CONFIG, FOLDER, VLLM, server_name
from tasks.deploy import deploy_candidate
from turnout.domain.bodies import parsed
from turnout.domain.comparison import compare
from turnout.domain.errors import PermanentError
from turnout.domain.evidence import Verdict
from turnout.domain.package import PackageVersion
from turnout.lab import chats

MODEL = "smollm"
COMPARED = 12

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
    assert packaged.verdict is Verdict.PASS, packaged.reasons
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


def test_the_candidate_is_not_to_be_told_from_legacy(wiring, ask, pinned, legacy, port):
    """Equal prompts become equal tokens, and texts differ at near ties alone; legacy agrees with itself."""
    contract = wiring.contract(MODEL)
    found, floor = [], []
    for row in chats.rows()[:COMPARED]:
        old, again, new = (parsed(contract, ask(at, pinned(row))) for at in (legacy, legacy, port))
        assert old["prompt_token_ids" if "prompt_token_ids" in old else "usage"]
        found.append(compare(contract, old, new))
        floor.append(compare(contract, old, again))
    assert not any(one.differs for one in floor)
    assert not any(one.differs for one in found), [one.what for one in found if one.differs]


def test_a_wrong_chat_template_is_told_by_the_tokens_of_the_prompt(wiring, packaged, ask, pinned, legacy):
    """Another template answers fluently; the prompt's tokens say that something else was asked."""
    version = PackageVersion.model_validate(packaged.measurements["package"])
    broken = wiring.state.work / "broken"
    wiring.packages.fetch(version, broken)
    template = broken / FOLDER / "chat_template.jinja"
    said = template.read_text()
    template.unlink()  # its second name belongs to nobody else
    template.write_text(said.replace("<|im_start|>", "### ").replace("<|im_end|>", ""))
    contract, attempt = wiring.contract(MODEL), f"{MODEL}-template"
    runtime = VLLM(wiring.state, wiring.servers)
    try:
        endpoint = runtime.deploy(attempt, contract, broken)
        row = chats.rows()[0]
        old, new = (parsed(contract, ask(at, pinned(row))) for at in (legacy, endpoint.port))
        found = compare(contract, old, new)
        assert found.differs
        assert "another tokenizer or chat template" in found.what
    finally:
        runtime.undeploy(attempt)


def test_weights_cut_short_never_reach_a_server(wiring, packaged):
    """The digest in the manifest stops the deployment; the file is named."""
    version = PackageVersion.model_validate(packaged.measurements["package"])
    weights = wiring.state.model_files(MODEL) / "model.safetensors"
    kept = weights.with_suffix(".kept")
    weights.rename(kept)
    try:
        shutil.copyfile(kept, weights)
        os.truncate(weights, weights.stat().st_size // 2)
        with pytest.raises(PermanentError, match=r"model\.safetensors"):
            wiring.packages.fetch(version, wiring.state.work / "short")
    finally:
        kept.replace(weights)
    assert wiring.servers.status(server_name(f"{MODEL}-short")).state == "stopped"


def test_what_a_package_asks_for_is_what_its_manifest_says(wiring, packaged):
    """The file that the runtime reads and the manifest that Kubernetes reads are one."""
    version = PackageVersion.model_validate(packaged.measurements["package"])
    directory = wiring.state.work / "same"
    manifest = wiring.packages.fetch(version, directory)
    assert json.loads((directory / CONFIG).read_text()) == manifest.runtime_config["engine"]
