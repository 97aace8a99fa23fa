"""A request of OpenAI's protocol as it is sent a second time: every parameter of sampling pinned. Pure.

What a client leaves to chance would differ by chance. Both arms are asked alike, greedily, for the likeliest
tokens in each place and for the tokens that the prompt became.
"""

import json
from typing import Any

from turnout.domain.contract import AnswerKind, Contract, Wire

SEED = 20_240_607
_GREEDY: dict[str, Any] = {
    "temperature": 0, "top_p": 1, "n": 1, "seed": SEED, "presence_penalty": 0, "frequency_penalty": 0,
}  # fmt: skip
"""OpenAI's own parameters. Those that one server alone knows stay as the client sent them: a server's default
that changes an answer even so is a difference, and is to be found."""


def pinned(contract: Contract, request: bytes) -> bytes | None:
    """The request with its sampling pinned; None where nothing is left to chance, or it is no such request.

    Args:
        contract: The model's contract.
        request: Body of the captured request.
    """
    if contract.wire is not Wire.OPENAI or contract.same_answer.kind is not AnswerKind.TEXT:
        return None
    try:
        asked = json.loads(request)
    except (ValueError, RecursionError):
        return None
    if not isinstance(asked, dict):
        return None
    top = contract.same_answer.top_candidates
    chat = {"logprobs": True, "top_logprobs": top} if "messages" in asked else {"logprobs": top}
    stream = {"stream_options": {"include_usage": True}} if asked.get("stream") else {}
    return json.dumps({**asked, **_GREEDY, **chat, **stream, "return_token_ids": True}).encode()


def streamed(request: dict[str, Any]) -> dict[str, Any]:
    """The request as one whose answer is streamed, its tokens counted by the server at the end."""
    return {**request, "stream": True, "stream_options": {"include_usage": True}}
