"""A language model of KServe's own controller: it answers OpenAI's clients, and has a place on a laptop."""

import httpx

from tests.cluster.node.chats import CHAT, PATH, streamed
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Wire
from turnout.domain.plan import Terms, plan
from turnout.domain.pools import Pool
from turnout.fabric.kubernetes import estate
from turnout.fabric.kubernetes.api import ClusterApi
from turnout.lab.cluster.addons import objects
from turnout.lab.cluster.addons.kserve import DOMAIN

LAPTOP = Pool(name="laptop", cpu=4, memory_gib=8, nodes=1)
"""That of the laptop's overlay."""


def test_a_language_model_answers_chats_and_streams_and_is_planned_for_a_cpu(cluster, writer, chat):
    """A client outside the cluster gets texts whole and in pieces; its owner's word gives it a place."""
    served = objects.wait(writer, chat, objects.condition("Ready"))
    space = served["metadata"]["namespace"]
    assert served["status"]["deploymentMode"] == "Standard"
    ask = {"headers": {"host": f"smollm-{space}.{DOMAIN}"}, "timeout": 60}
    answer = httpx.post(f"http://{cluster.gateway}{PATH}", json=CHAT, **ask)
    assert answer.status_code == 200, answer.text
    text = answer.json()["choices"][0]["message"]["content"]
    assert "Paris" in text
    pieces = httpx.post(f"http://{cluster.gateway}{PATH}", json=CHAT | {"stream": True}, **ask)
    assert streamed(pieces.text) == text
    with ClusterApi(cluster.kubeconfig) as api:
        inventory = estate.read(api, namespaces=(space,))
    contract = Contract(model="smollm", wire=Wire.OPENAI, same_answer=SameAnswer(kind=AnswerKind.TEXT))
    planned = plan(inventory, (LAPTOP,), Terms({"smollm": contract}))
    assert planned.line("smollm").blockers == ()
    place = planned.assignment("smollm")
    assert (place.runtime, place.pool, place.cpu, place.memory_gib) == ("vllm", "laptop", 0.5, 3)
