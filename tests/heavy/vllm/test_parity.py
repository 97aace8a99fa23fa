"""Broken language models are stopped before any client meets them, with the prompts that tell.

Each is a real vLLM, its answers judged one after the other as the shadow test judges them: it ends with the
first that makes it certain. Legacy is asked once, and held against all of them.
"""

import functools
import json
import os
import shutil

import pytest

from runtimes.vllm import CONFIG, FOLDER, VLLM, server_name
from tests.heavy.broken import compared, stopped_in_shadow
from turnout.domain import shadowing
from turnout.domain.errors import PermanentError
from turnout.domain.evidence import Verdict
from turnout.domain.package import PackageVersion
from turnout.lab import chats
from turnout.lab.faults import Broken

MODEL = "smollm"

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def answered(pinned, legacy_port, ask):
    """A row's request as a replay sends it, and legacy's two answers to it."""

    @functools.cache
    def ask_twice(number):
        request = pinned(chats.rows()[number])
        return request, (ask(legacy_port, request), ask(legacy_port, request))

    return ask_twice


@pytest.fixture
def judged(wiring, packaged, answered, ask):
    """Deploys the package after a change to its folder, and judges it as the shadow test does."""

    def judge(name, change):
        contract, directory = wiring.contract(MODEL), wiring.state.work / name
        wiring.packages.fetch(PackageVersion.model_validate(packaged.measurements["package"]), directory)
        change(directory)
        runtime = VLLM(wiring.state, wiring.servers)
        found = []
        try:
            port = runtime.deploy(name, contract, directory).port
            for number in range(len(chats.rows())):
                request, legacy = answered(number)
                found.append(compared(contract, number, request, legacy, ask(port, request)))
                finding = shadowing.judge(contract, found)
                if finding.verdict is not None:  # a pass takes as many replays as the contract wants
                    break
        finally:
            runtime.undeploy(name)
        return finding

    return judge


def edited(file, change):
    """Change a small file of a package; it gets a copy of its own first, for the registry has the other."""
    text = file.read_text()
    changed = change(text)
    assert changed != text
    file.unlink()
    file.write_text(changed)


def asked_for(**options):
    """Change what a package asks of the engine."""
    return lambda directory: edited(
        directory / CONFIG, lambda text: json.dumps({**json.loads(text), **options})
    )


@pytest.mark.broken(Broken.WRONG_TOKENIZER)
def test_another_tokenizer_is_told_by_the_tokens_of_the_prompt(judged):
    """The tokenizer of another revision, with half of its merges: fluent answers to other tokens."""

    def other_revision(text):
        tokenizer = json.loads(text)
        merges = tokenizer["model"]["merges"]
        tokenizer["model"]["merges"] = merges[: len(merges) // 2]
        return json.dumps(tokenizer)

    finding = judged("tokenizer", lambda at: edited(at / FOLDER / "tokenizer.json", other_revision))
    assert all("another tokenizer" in one["what"] for one in stopped_in_shadow(finding))


@pytest.mark.broken(Broken.WRONG_CHAT_TEMPLATE)
def test_another_chat_template_is_told_by_the_tokens_of_the_prompt(judged):
    """Another template answers fluently; the prompt's tokens say that something else was asked."""

    def plain(text):
        return text.replace("<|im_start|>", "### ").replace("<|im_end|>", "")

    finding = judged("template", lambda at: edited(at / FOLDER / "chat_template.jinja", plain))
    assert all("chat template" in one["what"] for one in stopped_in_shadow(finding))


@pytest.mark.broken(Broken.CHANGED_SAMPLING)
def test_another_default_of_sampling_is_told_by_the_first_token_that_differs(judged):
    """A server that punishes repetition of its own: no client asked for it, and no replay pins it."""
    changed = asked_for(override_generation_config=json.dumps({"repetition_penalty": 3.0}))
    examples = stopped_in_shadow(judged("sampling", changed))
    assert all("not among the likeliest" in one["what"] for one in examples)


@pytest.mark.parametrize(
    ("name", "change"),
    [("same", lambda _: None), ("rounded", asked_for(dtype="bfloat16"))],
    ids=["as packaged", "in another number format"],
)
def test_a_candidate_that_differs_by_noise_alone_is_not_stopped(judged, name, change):
    """The same weights by other kernels, and in 8 bits of precision: near ties tip, and it passes."""
    finding = judged(name, change)
    assert finding.verdict is Verdict.PASS, (finding.reasons, finding.measurements["examples"])
    assert finding.measurements["noise_differing"] == 0


@pytest.mark.broken(Broken.TRUNCATED_WEIGHTS)
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
