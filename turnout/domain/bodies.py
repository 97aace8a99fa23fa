"""An answer's body as what is compared: JSON, or a stream of events put together. Pure."""

import json
from typing import Any

from turnout.domain import event_stream
from turnout.domain.answers import MalformedError
from turnout.domain.contract import Contract, Wire


def parsed(contract: Contract, body: bytes | str) -> Any:
    """Read an answer's body.

    Args:
        contract: Says the protocol: only OpenAI's streams.
        body: The body as the client got it.

    Raises:
        MalformedError: It is neither; the message says what is wrong.
    """
    text = body if isinstance(body, str) else body.decode("utf-8", errors="replace")
    if contract.wire is Wire.OPENAI and event_stream.is_one(text):
        return event_stream.together(text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedError("it is not JSON") from error
