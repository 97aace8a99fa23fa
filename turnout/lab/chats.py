"""What the clients of the lab's language model send and what they take for an answer: OpenAI's chats. Pure.

Half of the prompts are asked for as a stream; which ones is the prompt's own, so that every repetition of one
is the same request, before and after a migration.
"""

import json
from typing import Any

from turnout.domain import generated
from turnout.domain.answers import MalformedError
from turnout.domain.bodies import parsed
from turnout.domain.contract import Contract

CHATS = "chats"
"""Kind of payloads: chats."""

MOST_TOKENS = 6
"""Legacy gives one answer at a time, and shares two cores with everything else of the lab."""

_ASKED = (
    "What is the capital of {}?", "Name a river in {}.", "Which language is spoken in {}?",
    "Name a dish from {}.", "On which continent lies {}?", "What is {} known for?",
)  # fmt: skip
_PLACES = (
    "France", "Japan", "Kenya", "Peru", "Norway", "Egypt", "Canada", "Vietnam", "Greece", "Chile", "Poland",
    "Morocco", "Ireland", "Nepal", "Cuba", "Turkey",
)  # fmt: skip


def rows() -> list[dict[str, Any]]:
    """Every prompt, and whether it is asked for as a stream."""
    asked = [question.format(place) for place in _PLACES for question in _ASKED]
    return [{"prompt": prompt, "stream": number % 2 == 1} for number, prompt in enumerate(asked)]


def request(contract: Contract, rows: list[Any]) -> bytes:
    """The body of a request for one row; deterministic, as clients that want the same answer twice ask."""
    (row,) = rows
    asked = {
        "model": contract.model,
        "messages": [{"role": "user", "content": row["prompt"]}],
        "max_tokens": MOST_TOKENS,
        "temperature": 0,
    }
    return json.dumps(asked | ({"stream": True} if row["stream"] else {})).encode()


def fault(contract: Contract, _rows: int, status: int, body: bytes) -> str | None:
    """Say what is wrong with an answer, or None when it is 200, whole, and holds a text."""
    if status != 200:  # noqa: PLR2004 -- HTTP
        return f"status {status}"
    try:
        answer = parsed(contract, body)
        text = generated.generated(answer).text
    except MalformedError as error:
        return f"not an answer: {error}"
    if not text or answer["choices"][0].get("finish_reason") not in {"stop", "length"}:
        return "an answer without text, or without its end"
    return None
