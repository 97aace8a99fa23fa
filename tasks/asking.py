"""Asks a server one golden request and says what is wrong with its answer: candidate and legacy alike."""

import json
from collections.abc import Callable
from typing import Any

from runtimes.wire import Reply
from turnout.domain.answers import MalformedError
from turnout.domain.bodies import parsed
from turnout.domain.comparison import compare
from turnout.domain.contract import Contract
from turnout.domain.errors import InvalidInputError, UnreachableError


def answered(contract: Contract, ask: Callable[[bytes], Reply], request: Any) -> tuple[str | None, float]:
    """Send one request as a client would.

    Whether the answer is the right one is not asked: it has to come, and to be of the contract's form.

    Args:
        contract: What an answer looks like, and how long it may take.
        ask: Sends a body; raises UnreachableError where none is answered.
        request: The request, as JSON.

    Returns:
        What is wrong with the answer, None where nothing is; and how long it took, in seconds.
    """
    try:
        reply = ask(json.dumps(request).encode())
    except UnreachableError as error:
        return error.observed, contract.policy.request_seconds
    if reply.status != 200:  # noqa: PLR2004 -- HTTP
        return f"status {reply.status}: {reply.body[:200].decode(errors='replace')}", reply.seconds
    try:
        answer = parsed(contract, reply.body)
        compare(contract, answer, answer)
    except MalformedError as error:
        return str(error), reply.seconds
    except InvalidInputError as error:
        return error.observed, reply.seconds
    return None, reply.seconds
