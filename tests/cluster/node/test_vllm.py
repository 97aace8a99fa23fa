"""A language model on a real vLLM on the node's CPU, under the restricted Pod Security Standard."""

import shutil

import pytest

from runtimes import Source
from runtimes.kubernetes import deployed
from runtimes.vllm import FOLDER, VLLM, weights
from tests.cluster.node.chats import CHAT, PATH, streamed
from tests.cluster.node.places import ALL
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Wire
from turnout.domain.route import RoutePolicy
from turnout.domain.targets import TargetRuntime
from turnout.domain.workload import Component, Workload
from turnout.fabric.own_processes import OwnProcesses
from turnout.lab import language_model
from turnout.lab.cluster.node import store

SECONDS = 480
"""It starts in 80 s on two idle cores; a loaded one needs a multiple."""
CONTRACT = Contract(
    model="smollm", wire=Wire.OPENAI, same_answer=SameAnswer(kind=AnswerKind.TEXT),
    policy=RoutePolicy(try_seconds=20.0, request_seconds=30.0, streaming=True),
)  # fmt: skip
KINDS = (("apps/v1", "Deployment"), ("v1", "Pod"), ("v1", "PersistentVolumeClaim"))


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """No node has to come here, and no image: what does not start by then never will."""
    monkeypatch.setattr(deployed, "START_SECONDS", dict.fromkeys(TargetRuntime, SECONDS))


@pytest.fixture(scope="module")
def images(cluster):
    """The image of vLLM for a CPU, on the node."""
    return {"worker": "nobody-fetches", "vllm": store.of(cluster.root).build("vllm", print)}


@pytest.fixture
def package(tmp_path):
    """The lab's language model, packaged; its weights are where the Job would put them."""
    folder, made = language_model.ensure(print), tmp_path / "package"
    part = Component(role="predictor", framework="huggingface", args=("--max-model-len=2048",))
    found = Workload(name="smollm", framework="huggingface", components=(part,))
    own = OwnProcesses()
    config = VLLM(own.state, own, elsewhere=True).package(Source(CONTRACT, found, folder, []), made, print)
    for file in weights.weight_files(folder):
        shutil.copyfile(file, made / FOLDER / file.name)
    return made, config.config


def test_a_language_model_answers_chats_and_streams_on_a_cpu_and_goes(place_of, package):
    """By the path that clients call, once a real token came; deployed again nothing changes."""
    (directory, config), place = package, place_of("smollm", "vllm", cpu=1, memory_gib=3)
    place.bring(directory, config, CONTRACT)
    endpoint = place.vllm.deploy(place.attempt, CONTRACT, directory)
    status, answer = place.ask(endpoint, PATH, CHAT)
    assert status == 200, answer
    text = answer["choices"][0]["message"]["content"]
    assert "Paris" in text
    status, events = place.said(endpoint, PATH, CHAT | {"stream": True})
    assert (status, streamed(events)) == (200, text)
    assert place.ask(endpoint, PATH, CHAT | {"model": "other"})[0] == 404
    there = place.of(*KINDS)
    assert len(there) == len(KINDS)
    assert place.vllm.deploy(place.attempt, CONTRACT, directory) == endpoint
    assert place.of(*KINDS) == there
    place.vllm.undeploy(place.attempt)
    assert place.of(*ALL) == {}
