"""A streamed answer put together: the pieces of OpenAI's protocol as the one answer that they make up. Pure.

Called wherever an answer is compared: a client that streams gets the same text as one that does not.
"""

import json
from collections.abc import Iterator
from typing import Any

from turnout.domain.answers import MalformedError

_END = "[DONE]"
_LISTS = ("tokens", "token_logprobs", "top_logprobs", "text_offset", "content")
"""Parts of a piece's logprobs that hold an entry for each of its tokens."""


def is_one(body: str) -> bool:
    """Whether a body is a stream of events rather than JSON."""
    return body.lstrip().startswith(("data:", ":", "event:"))


def together(body: str) -> dict[str, Any]:
    """Put a stream of completion pieces together.

    Args:
        body: The events as they came (`text/event-stream`).

    Returns:
        The answer as it would have come in one piece.

    Raises:
        MalformedError: It was cut off, a piece is no completion, or the server reported an error in it.
    """
    choices: dict[int, dict[str, Any]] = {}
    answer: dict[str, Any] = {}
    for piece in _pieces(body):
        answer |= {key: value for key, value in piece.items() if key != "choices" and value is not None}
        for part in piece.get("choices") or ():
            _grow(choices.setdefault(_index(part), {}), part)
    answer["choices"] = [choices[index] for index in sorted(choices)]
    return answer


def _pieces(body: str) -> Iterator[dict[str, Any]]:
    ended = False
    for line in body.splitlines():
        if not line.startswith("data:") or ended:
            continue
        text = line.removeprefix("data:").strip()
        ended = text == _END
        if not ended:
            yield _piece(text)
    if not ended:
        raise MalformedError("the stream was cut off")


def _piece(text: str) -> dict[str, Any]:
    try:
        piece = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedError("a piece of the stream is not JSON") from error
    if not isinstance(piece, dict) or piece.get("error"):
        raise MalformedError(f"the stream ended with {text[:120]}")
    return piece


def _index(part: Any) -> int:
    if not isinstance(part, dict) or not isinstance(part.get("index", 0), int):
        raise MalformedError("a piece of the stream has a choice without an index")
    return int(part.get("index", 0))


def _grow(choice: dict[str, Any], part: dict[str, Any]) -> None:
    """Add a piece to the choice that it belongs to."""
    delta = part.get("delta")
    if isinstance(delta, dict):
        message = choice.setdefault("message", {"content": ""})
        message["content"] += delta.get("content") or ""
    if isinstance(part.get("text"), str):
        choice["text"] = choice.get("text", "") + part["text"]
    if isinstance(part.get("logprobs"), dict):
        known = choice.setdefault("logprobs", {})
        for name in _LISTS:
            if isinstance(part["logprobs"].get(name), list):
                known.setdefault(name, []).extend(part["logprobs"][name])
    if isinstance(part.get("token_ids"), list):
        choice.setdefault("token_ids", []).extend(part["token_ids"])
    for name in ("index", "finish_reason", "prompt_token_ids"):
        if part.get(name) is not None:
            choice[name] = part[name]
