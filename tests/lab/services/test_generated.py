"""Generated text in the shadow test: streams are captured, and both arms asked anew, pinned and alike."""

import json
import os

import pytest
import yaml
from conftest import CONTRACT, Clients, Migration
from tiny_talkers import Talker

from tasks import shadow as shadowing
from tests.waiting import until
from turnout.domain.evidence import Verdict
from turnout.domain.route import Backend, Opening, Registration, RoutePolicy
from turnout.fabric import contracts, ports
from turnout.fabric.registry.evidence import MemoryEvidence
from turnout.lab import chats
from turnout.wiring import migrating
from turnout.wiring.migrating import Wiring

POLICY = RoutePolicy(try_seconds=2.0, request_seconds=10.0, streaming=True, stream_longest_seconds=10.0)
NUMBERS = iter(range(100))


class Chatting(Clients):
    """Clients that chat, every second one as a stream."""

    def __init__(self, port, contract):
        """Start to send."""
        self.contract = contract
        super().__init__(port, contract.model, rate=10.0)
        self.url = f"http://127.0.0.1:{port}/openai/v1/chat/completions"

    async def _one(self, session, number):
        row, good = chats.rows()[int(number) % 90], None
        body, headers = chats.request(self.contract, [row]), {"content-type": "application/json"}
        async with session.post(self.url, data=body, headers=headers) as answer:
            good = chats.fault(self.contract, 1, answer.status, await answer.read())
        self.answers.append((0.0, [number], None if good else 1.0))


@pytest.fixture
def talking(lab):
    """A model that generates, with a live attempt at weight 0, its sentinel, and clients that chat."""
    name = f"talk{next(NUMBERS)}-{os.getpid()}"
    legacy, candidate = Talker(), Talker()
    said = {key: value for key, value in CONTRACT.items() if key not in {"inputs", "outputs"}}
    said |= {"model": name, "wire": "openai", "same_answer": {"kind": "text"}, "policy": POLICY.model_dump()}
    said["rollout"] = {"shadow_samples": 40, "shadow_longest_seconds": 90, "capture_share": 1.0}
    said["bounds"] = {"errors": 0.1, "slow": 0.2, "differs": 0.15, "slow_seconds": 5.0}
    (lab.settings.contracts / f"{name}.yaml").write_text(yaml.safe_dump(said))
    contract = contracts.load(lab.settings.contracts, name)
    stable, listen = Backend(name=f"legacy-{name}", port=legacy.port), ports.pick()
    lab.router.register(Registration(model=name, listen_port=listen, stable=stable, policy=POLICY))
    backend = Backend(name=f"{name}-1", port=candidate.port)
    lab.router.open(Opening(model=name, attempt=f"{name}-1", candidate=backend, policy=POLICY))
    migration = Migration(lab, name, legacy, candidate, Chatting(listen, contract))
    lab.sentinel()
    until(migration.armed, "armed")
    yield migration
    migration.clients.stop()
    lab.router.roll_back(name, f"{name}-1", reason="the test is over", by="test")
    legacy.close()
    candidate.close()


@pytest.fixture
def tested(talking):
    """Run the shadow test as the flow does, evidence kept in memory."""
    migrating.use(Wiring(talking.lab.settings, evidence=MemoryEvidence()))
    yield lambda: shadowing.shadow_test.fn(talking.name, talking.attempt)
    migrating.use(None)


def test_a_candidate_that_differs_at_near_ties_alone_passes(talking, tested):
    """Its second word is another one each time, and either side had the other's among its likeliest."""
    talking.candidate.second = " twin"
    evidence = tested()
    assert evidence.verdict is Verdict.PASS, evidence.reasons
    assert evidence.measurements["differing"] == 0
    lines = talking.lab.state.captures(talking.name).read_text().splitlines()
    streams = [json.loads(line)["response"].startswith("data: ") for line in lines]
    assert any(streams)
    assert not all(streams)
    assert not talking.clients.failures
    assert talking.candidate.clients == []


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"template": [1, 2]}, "another tokenizer or chat template"),
        ({"second": " wrong"}, "not among the likeliest"),
    ],
)
def test_a_broken_candidate_is_stopped_with_the_texts_that_differ(talking, tested, broken, words):
    """Another chat template is found by the prompt's tokens, though the words are the same."""
    for name, value in broken.items():
        setattr(talking.candidate, name, value)
    evidence = tested()
    assert evidence.verdict is Verdict.FAIL
    assert all(words in example["what"] for example in evidence.measurements["examples"])
    assert evidence.measurements["examples"][0]["old"].startswith(" ")
