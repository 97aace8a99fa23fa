"""An estate moves on the cluster, KServe out, under live traffic, by what its users do and nothing else.

Turnout is installed on the node and its own worker runs the flows; KServe's controller makes legacy; clients
outside call KServe's ingress, then the Gateway. No client is failed from the first request to the last.
"""

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import yaml

from runtimes.kubernetes.pods import INSTANCE
from tests.cluster.node.chats import PATH
from tests.cluster.node.installing import CONTRACTS, at_desk, kubectl
from tests.cluster.node.kserve_models import TENSOR
from tests.cluster.node.migrating import (
    LONGEST_SECONDS,
    Migration,
    at_half,
    cut_over,
    ends_cut_over,
    judged,
    prepared,
)
from tests.cluster.node.pods import pods, process_of
from tests.waiting import until
from turnout.domain.contract import Contract
from turnout.lab import chats

HEADS = "ray.io/node-type=head"
TEXTS = {"instances": ["Return the sum of the array elements.", "Read a table into a DataFrame."]}
PAUSE_SECONDS = 0.4
"""Some nine requests a second of each: two cores serve all, and whatever moves them."""
SELDOM_SECONDS = 3.0
"""Between chats while nothing is measured by them: what gives texts has no core to itself."""
CHATS = Contract.model_validate(yaml.safe_load(CONTRACTS["smollm"]))


@pytest.fixture
def smollm(mover, chat, language_models):
    """The language model, served without accelerators; half of its answers are streams."""
    return mover(
        chat, PATH, language_models, *(json.loads(chats.request(CHATS, [row])) for row in chats.rows())
    )


@pytest.mark.usefixtures("chat")  # before all others: its server starts while Turnout is installed
def test_an_estate_moves_and_no_client_is_failed(writer, moving, smollm, router, desk):
    """Three models of two owners at once, one of them with a first candidate that breaks.

    V2 clients' model goes to Triton, V1 clients' to a RayService, OpenAI's to vLLM. Legacy gives one text at
    a time, so its clients are few.
    """
    iris = moving("iris", "v2", "/v2/models/iris/infer", {"inputs": [TENSOR]})
    topics = moving("topics", "v1", "/v1/models/topics:predict", TEXTS)
    with ExitStack() as calling:
        tables, texts = (
            calling.enter_context(model.clients(pause=PAUSE_SECONDS)) for model in (iris, topics)
        )
        talks = calling.enter_context(smollm.clients(count=2, enough=2, pause=SELDOM_SECONDS))
        prepared(desk, (smollm, talks), (iris, tables), (topics, texts))
        with ThreadPoolExecutor() as beside:
            of_chats = beside.submit(chats_move, desk, router, talks)
            of_texts = beside.submit(cut_over, desk, router, "topics")
            breaks_in_its_canary(writer, router, desk, iris.space)
            cut_over(desk, router, "iris", again=True)
            tables.move(iris.new)
            of_texts.result()
            loses_rays_head(desk.cluster, router, topics.space)
            texts.move(topics.new)
            of_chats.result()
        talks.move(smollm.new)
    judged(tables)
    judged(texts)
    judged(talks, lambda status, text: chats.fault(CHATS, 1, status, text.encode()))


def chats_move(desk, router, talks):
    """The language model: its clients come seldom while its candidate is made and starts."""
    migration = Migration(desk, "smollm")
    talks.pause = PAUSE_SECONDS
    migration.until(lambda: router.read("smollm").capture_share > 0, "a baseline")
    migration.until(lambda: router.read("smollm").capture_share == 0, "the end of the baseline")
    talks.pause = SELDOM_SECONDS
    migration.until(lambda: router.read("smollm").attempt, "a candidate")
    talks.pause = PAUSE_SECONDS
    ends_cut_over(migration, router, "smollm")


def breaks_in_its_canary(writer, router, desk, space):
    """A first candidate loses its servers, and is taken back."""
    first = at_half(desk, router, "iris")
    assert "Running" in at_desk(desk.cluster, "turnout", "status", "iris")
    (pod,) = pods(writer, space, f"{INSTANCE}=triton-iris-1")
    kubectl(desk.cluster, f"--namespace={space}", "scale", "deployment", "triton-iris-1", "--replicas=0")
    os.kill(process_of(pod, "tritonserver"), signal.SIGKILL)
    broken = time.monotonic()
    until(lambda: router.read("iris").weight == 0.0, "the way back", LONGEST_SECONDS)
    print(f"taken back {time.monotonic() - broken:.1f} s after its servers had gone")
    assert first.end() == "Rolled back"


def loses_rays_head(cluster, router, space):
    """Ray's head is killed: KubeRay makes it anew, or before that the candidate is taken back."""
    there = f"--namespace={space}"
    found = kubectl(cluster, there, "get", "rayservices", "--output=name")
    assert found.split() == ["rayservice.ray.io/ray-serve-topics-1"]
    kubectl(cluster, there, "delete", "pods", "-l", HEADS, "--grace-period=0", "--force")
    broken = time.monotonic()
    until(lambda: router.read("topics").weight == 0.0 or heads(cluster, there), "a decision", LONGEST_SECONDS)
    stone = router.tombstone("topics", "topics-1")
    print(f"{time.monotonic() - broken:.1f} s after Ray's head was killed: {stone or 'another one serves'}")
    assert stone is None or stone.by == "sentinel"


def heads(cluster, there):
    """Whether a Ray head is ready."""
    asked = '{.items[*].status.conditions[?(@.type=="Ready")].status}'
    return kubectl(cluster, there, "get", "pods", "-l", HEADS, f"--output=jsonpath={asked}") == "True"
