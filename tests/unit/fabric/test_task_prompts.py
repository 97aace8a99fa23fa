import json

import pytest

from turnout.domain.contract import Contract, SameAnswer
from turnout.domain.errors import InvalidInputError, NotFoundError
from turnout.domain.task_metric import TaskMetric
from turnout.fabric import task_prompts

CONTRACT = Contract(
    model="chat", wire="openai", same_answer=SameAnswer(kind="text"),
    task=TaskMetric(score="exact", worse=0.1),
)  # fmt: skip
CHAT = {"messages": [{"role": "user", "content": "Capital of France?"}], "expected": "Paris"}


def written(folder, *lines):
    """Prompts in their place."""
    file = task_prompts.file(folder, "chat")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines))
    return file


def test_a_line_is_a_request_and_what_is_expected(tmp_path):
    """The model's name is put in; what is expected is no part of the request."""
    written(tmp_path, json.dumps(CHAT), "", json.dumps({"prompt": "1, 2,", "max_tokens": 4}))
    first, second = task_prompts.load(tmp_path, CONTRACT)
    assert first.request == {"model": "chat", "messages": CHAT["messages"]}
    assert (first.expected, first.shown) == ("Paris", "Capital of France?")
    assert (second.expected, second.shown, second.request["max_tokens"]) == ("", "1, 2,", 4)


@pytest.mark.parametrize(
    "line", ["{", "[]", "{}", '{"prompt": 1}', '{"messages": []}', '{"prompt": "a", "expected": 1}']
)
def test_a_wrong_line_is_named(tmp_path, line):
    """File and line, before any server is asked."""
    file = written(tmp_path, json.dumps(CHAT), line)
    with pytest.raises(InvalidInputError, match=f"{file.name}, line 2"):
        task_prompts.load(tmp_path, CONTRACT)


def test_a_task_without_prompts_is_no_pass(tmp_path):
    """No data is an error, and other prompts are other inputs."""
    with pytest.raises(NotFoundError, match=r"tasks/chat\.jsonl"):
        task_prompts.load(tmp_path, CONTRACT)
    assert task_prompts.digest(tmp_path, "chat") is None
    written(tmp_path, json.dumps(CHAT))
    first = task_prompts.digest(tmp_path, "chat")
    written(tmp_path, json.dumps(CHAT | {"expected": "Rome"}))
    assert first != task_prompts.digest(tmp_path, "chat")
