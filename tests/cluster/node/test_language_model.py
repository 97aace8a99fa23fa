"""A language model moves on the cluster, from KServe's server to vLLM.

The rest is as in test_migration.py.
"""

import json

import pytest
import yaml

from tests.cluster.node.chats import PATH
from tests.cluster.node.installing import CONTRACTS
from tests.cluster.node.migrating import cut_over, judged, prepared
from turnout.domain.contract import Contract
from turnout.lab import chats

CONTRACT = Contract.model_validate(yaml.safe_load(CONTRACTS["smollm"]))


@pytest.fixture(scope="session")
def kept():
    """Everything stays until the cluster ends."""
    return True


def test_a_language_model_moves_to_vllm(chat, language_models, mover, router, desk):
    """OpenAI's clients, half of whose answers are streams; its texts are compared by token.

    Its owner has it served without accelerators: legacy gives one answer at a time, so its clients are few.
    """
    asked = [json.loads(chats.request(CONTRACT, [row])) for row in chats.rows()]
    model = mover(chat, PATH, language_models, *asked)
    with model.clients(count=2, enough=5) as clients:
        prepared(desk, (model, clients))
        cut_over(desk, router, "smollm")
        clients.move(model.new)
    judged(clients, lambda status, text: chats.fault(CONTRACT, 1, status, text.encode()))
