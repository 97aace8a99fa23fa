"""The owner's prompts, asked of both arms alike."""

import json
from types import SimpleNamespace

import pytest

from runtimes.wire import Reply
from tasks import task_metric as module
from turnout.domain.contract import Contract, SameAnswer
from turnout.domain.errors import NotFoundError, UnreachableError
from turnout.domain.evidence import Verdict
from turnout.domain.route import Backend
from turnout.domain.task_metric import TaskMetric
from turnout.fabric import task_prompts

CONTRACT = Contract(
    model="chat", wire="openai", same_answer=SameAnswer(kind="text"),
    task=TaskMetric(score="regex", pattern=r"\b{expected}\b", worse=0.1),
)  # fmt: skip
ARMS = {"legacy": Backend(name="chat-legacy", port=2), "candidate": Backend(name="chat-1", port=3)}


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Asks 60 prompts; the candidate answers with `says`. What was sent is returned too."""
    file = task_prompts.file(tmp_path, "chat")
    file.parent.mkdir()
    line = {"messages": [{"role": "user", "content": "Capital of France?"}], "expected": "Paris"}
    file.write_text("\n".join([json.dumps(line)] * 60))
    sent = []

    def ask(says, contract=CONTRACT):
        def predict(endpoint, _, body, *, timeout_seconds):
            sent.append((endpoint.port, json.loads(body), timeout_seconds))
            if endpoint.port == 3 and says is None:
                raise UnreachableError("chat-1", observed="nothing", limit="an answer", remedy="Look.")
            text = "It is Paris." if endpoint.port == 2 else says
            answer = {"choices": [{"message": {"content": text}}]}
            return Reply(200, json.dumps(answer).encode(), 0.1)

        monkeypatch.setattr(module.wire, "predict", predict)
        return module.asked(SimpleNamespace(settings=SimpleNamespace(contracts=tmp_path)), contract, **ARMS)

    return ask, sent


@pytest.mark.parametrize(
    ("says", "verdict"), [("Paris!", Verdict.PASS), ("Rome.", Verdict.FAIL), (None, Verdict.FAIL)]
)
def test_an_answer_counts_by_the_owners_score(asked, says, verdict):
    """Other words are fine where the metric is; another answer, or none, is a loss, with its prompt."""
    ask, _ = asked
    found = ask(says)
    assert found.verdict is verdict
    assert (
        found.measurements["lost"]
        == len(found.measurements["examples"]) * 6
        == (verdict is Verdict.FAIL) * 60
    )


def test_both_arms_get_the_same_greedy_requests(asked):
    """Nothing is left to chance, and what is expected is not told."""
    ask, sent = asked
    ask("Paris")
    legacy, candidate = ([body for port, body, _ in sent if port == number] for number in (2, 3))
    assert legacy == candidate
    assert (legacy[0]["temperature"], legacy[0]["model"]) == (0, "chat")
    assert "expected" not in legacy[0]


def test_without_a_task_nothing_is_asked_and_without_prompts_nothing_passes(asked, tmp_path):
    """A contract with a task and no prompts is an error, not a pass."""
    ask, sent = asked
    assert ask("Paris", CONTRACT.model_copy(update={"task": None})) is None
    assert sent == []
    task_prompts.file(tmp_path, "chat").unlink()
    with pytest.raises(NotFoundError):
        ask("Paris")
