"""What a replay brought, and what it means beside the captured exchange; pure."""

from dataclasses import dataclass, replace
from typing import Any

from turnout.domain.answers import MalformedError
from turnout.domain.bodies import parsed
from turnout.domain.comparison import Difference, compare
from turnout.domain.contract import AnswerKind, Contract, Wire
from turnout.domain.errors import InvalidInputError
from turnout.domain.generated import generated
from turnout.domain.requests import Arm, ComparisonRecord
from turnout.services.shadow.exchange import Exchange

READABLE_CHARACTERS = 2_000
"""An example's bodies are cut to this many characters."""

_OK, _REDIRECT = 200, 300
_OPENAI_INFERENCES = ("/completions", "/embeddings")
"""Chats, texts and embeddings; the lists of models are no inference."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one replay.

    Attributes:
        status: HTTP status; None where no answer came (no connection, time limit).
        body: Its body.
        seconds: Time from sending to the last byte.
    """

    status: int | None
    body: bytes
    seconds: float

    @property
    def good(self) -> bool:
        """The server answered the request itself."""
        return self.status is not None and _OK <= self.status < _REDIRECT


class NotComparableError(Exception):
    """Nothing can be said about this exchange; the message is the reason that is counted."""


def inference(contract: Contract, exchange: Exchange) -> bool:
    """Whether this is a well-answered inference: metadata, health and refused requests are not compared."""
    path = exchange.path.partition("?")[0]
    if contract.wire is Wire.OPENAI:
        asked = path.startswith("/openai/v1/") and path.endswith(_OPENAI_INFERENCES)
    elif contract.wire is Wire.V1:
        asked = path == f"/v1/models/{contract.model}:predict"
    else:
        asked = path.startswith(f"/v2/models/{contract.model}/") and path.endswith("/infer")
    return exchange.method == "POST" and asked and _OK <= exchange.status < _REDIRECT


def from_legacy(
    contract: Contract,
    exchange: Exchange,
    *,
    attempt: str,
    new: Reply,
    again: Reply | None,
    at_seconds: float,
) -> ComparisonRecord:
    """Legacy had answered the client: hold the candidate's answer, and legacy's second, against the first.

    An answer that did not come counts as a different one, on both sides alike.

    Raises:
        NotComparableError: The captured answer cannot be compared with anything.
    """
    record = _held(
        contract,
        exchange,
        attempt=attempt,
        old=exchange.response,
        new=new,
        again=again,
        at_seconds=at_seconds,
    )
    seconds = again.seconds if again and again.good else None
    return replace(record, captured_from=Arm.LEGACY, legacy_seconds=seconds)


def from_candidate(
    contract: Contract,
    exchange: Exchange,
    *,
    attempt: str,
    old: Reply,
    again: Reply | None,
    at_seconds: float,
) -> ComparisonRecord:
    """The candidate had answered the client: hold its answer, and legacy's second, against legacy's first.

    Raises:
        NotComparableError: Legacy did not answer the replay, so there is nothing to compare with.
    """
    if not old.good:
        raise NotComparableError("legacy did not answer the replay")
    answered = Reply(exchange.status, exchange.response, exchange.duration_seconds)
    record = _held(
        contract, exchange, attempt=attempt, old=old.body, new=answered, again=again, at_seconds=at_seconds
    )
    return replace(
        record,
        captured_from=Arm.CANDIDATE,
        new_failed=False,
        legacy_seconds=old.seconds,
        candidate_seconds=None,
    )


def from_both(
    contract: Contract,
    exchange: Exchange,
    *,
    attempt: str,
    old: Reply,
    new: Reply,
    again: Reply | None,
    at_seconds: float,
) -> ComparisonRecord:
    """Both arms were asked anew: hold the candidate's answer, and legacy's second, against legacy's first.

    Raises:
        NotComparableError: Legacy did not answer the replay, so there is nothing to compare with.
    """
    if not old.good:
        raise NotComparableError("legacy did not answer the replay")
    record = _held(
        contract, exchange, attempt=attempt, old=old.body, new=new, again=again, at_seconds=at_seconds
    )
    return replace(record, legacy_seconds=old.seconds)


def _held(
    contract: Contract,
    exchange: Exchange,
    *,
    attempt: str,
    old: bytes,
    new: Reply,
    again: Reply | None,
    at_seconds: float,
) -> ComparisonRecord:
    """The candidate's answer, and legacy's second, held against legacy's first."""
    legacy = _parsed(contract, old)
    difference = _difference(contract, legacy, new)
    return ComparisonRecord(
        model=exchange.origin.model,
        attempt=attempt,
        at_seconds=at_seconds,
        captured_from=exchange.origin.arm,
        new_differs=difference.differs,
        old_differs=_difference(contract, legacy, again).differs if again else None,
        new_failed=not new.good,
        distance=difference.distance,
        legacy_seconds=None,
        candidate_seconds=new.seconds if new.good else None,
        example=_example(contract, exchange, old, new.body, difference),
    )


def _difference(contract: Contract, old: Any, new: Reply) -> Difference:
    if not new.good:
        seen = "no answer" if new.status is None else f"status {new.status}"
        return Difference(differs=True, distance=None, what=f"{seen} to the replay")
    try:
        return compare(contract, old, parsed(contract, new.body))
    except MalformedError as error:
        return Difference(differs=True, distance=None, what=f"the new answer: {error}")
    except InvalidInputError as error:
        raise NotComparableError("the old answer is malformed") from error


def _parsed(contract: Contract, body: bytes) -> Any:
    try:
        return parsed(contract, body)
    except MalformedError as error:
        raise NotComparableError(f"the old answer: {error}") from error


def _example(
    contract: Contract, exchange: Exchange, old: bytes, new: bytes, difference: Difference
) -> dict[str, object]:
    return {
        "request": _cut(exchange.request),
        "old": _cut(_shown(contract, old)),
        "new": _cut(_shown(contract, new)),
        "distance": difference.distance,
        "what": difference.what,
    }


def _shown(contract: Contract, body: bytes) -> bytes:
    """What people read of an answer: of a generated text the text, not the numbers of each of its tokens."""
    if contract.same_answer.kind is not AnswerKind.TEXT:
        return body
    try:
        return generated(parsed(contract, body)).text.encode()
    except MalformedError:
        return body


def _cut(body: bytes) -> str:
    text = body.decode("utf-8", errors="replace")
    return text if len(text) <= READABLE_CHARACTERS else f"{text[:READABLE_CHARACTERS]}..."
