"""The owner's prompts for the task metric: `tasks/MODEL.jsonl` beside the contracts, a request a line.

A line is a request of OpenAI's protocol (`messages` or `prompt`, `max_tokens`, ...) with one more key,
`expected`: what the metric holds the answer against. The model's name need not stand in it.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from turnout.domain.contract import Contract
from turnout.domain.errors import InvalidInputError, NotFoundError

_LIMIT = "a request of OpenAI's protocol with `expected`"


class TaskPrompt(BaseModel):
    """One prompt.

    Attributes:
        request: The request's body.
        expected: What is expected of the answer; empty where the metric needs nothing.
    """

    model_config = ConfigDict(frozen=True)

    request: dict[str, Any]
    expected: str

    @property
    def shown(self) -> str:
        """The prompt as people read it: the last message, or the text."""
        messages = self.request.get("messages")
        return str(messages[-1].get("content")) if messages else str(self.request.get("prompt"))


def file(folder: Path, model: str) -> Path:
    """Where a model's prompts are, beside the contracts."""
    return folder / "tasks" / f"{model}.jsonl"


def digest(folder: Path, model: str) -> str | None:
    """Digest of the prompts; None: there are none."""
    found = file(folder, model)
    return hashlib.sha256(found.read_bytes()).hexdigest() if found.is_file() else None


def load(folder: Path, contract: Contract) -> list[TaskPrompt]:
    """Read a model's prompts.

    Raises:
        NotFoundError: There are none.
        InvalidInputError: A line is none; file and line are named.
    """
    found = file(folder, contract.model)
    lines = found.read_text().splitlines() if found.is_file() else []
    prompts = [_prompt(contract, found, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not prompts:
        raise NotFoundError(
            f"task of {contract.model}", observed=f"no prompts in {found}",
            limit="a prompt a line, for a contract that has a task",
            remedy="Write them, or take `task` out of the contract.",
        )  # fmt: skip
    return prompts


def _prompt(contract: Contract, found: Path, number: int, line: str) -> TaskPrompt:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _wrong(found, number, f"no JSON: {error}") from error
    if not isinstance(said, dict) or not isinstance(expected := said.pop("expected", ""), str):
        raise _wrong(found, number, "no object, or `expected` is no text")
    messages = said.get("messages")
    chat = isinstance(messages, list) and messages and all(isinstance(one, dict) for one in messages)
    if not chat and not isinstance(said.get("prompt"), str):
        raise _wrong(found, number, "neither messages nor a prompt")
    return TaskPrompt(request={"model": contract.model, **said}, expected=expected)


def _wrong(found: Path, number: int, observed: str) -> InvalidInputError:
    return InvalidInputError(
        f"{found}, line {number}", observed=observed, limit=_LIMIT, remedy="Correct that line."
    )
