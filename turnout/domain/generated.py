"""Is a generated text the same as legacy's? Pure; answers are whole ones of OpenAI's protocol.

Equal prompts have to become equal tokens first: another tokenizer or chat template is no noise. Then the
tokens are followed to the first one that differs. That is noise only while each side's token is among the
other's top candidates there, vLLM's own rule (`check_logprobs_close`), and nearly as likely as the likeliest:
rounding tips a near tie one way or the other, and everything behind it is another text. A token that is among
the top ones and yet far less likely was not picked by rounding: another default of sampling picks such ones.
Without log probabilities texts are equal or differ.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from turnout.domain.answers import MalformedError, say

_END = object()
"""Stands behind the last token, so that a text that ends early differs there."""

NEAR_NATS = 1.0
"""How much less likely than the likeliest a token of a near tie may be, in nats (natural logarithm): 16-bit
numbers move a log probability by a few tenths at most."""


@dataclass(frozen=True, slots=True)
class Generated:
    """One answer, as far as the server told.

    Attributes:
        text: What was generated.
        prompt_tokens: How many tokens the prompt became; None: not told.
        prompt_ids: Which ones; None: not told.
        ids: Ids of the generated tokens; None: not told.
        words: The generated tokens as text; None: no log probabilities.
        candidates: For each of them the likeliest tokens in its place, with how much less likely each is than
            the likeliest, in nats; 0 where that is not told.
    """

    text: str
    prompt_tokens: int | None
    prompt_ids: tuple[int, ...] | None
    ids: tuple[int, ...] | None
    words: tuple[str, ...] | None
    candidates: tuple[Mapping[str, float], ...]


@dataclass(frozen=True, slots=True)
class Texts:
    """What a comparison found; the distance is the share of the longer text behind the first difference."""

    differ: bool
    distance: float | None
    what: str


def generated(answer: Any) -> Generated:
    """Read a whole answer of /v1/chat/completions or /v1/completions.

    Raises:
        MalformedError: It is none, or it holds no choice.
    """
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise MalformedError("the answer has no choices")
    choice = choices[0]
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    if not isinstance(text, str):
        raise MalformedError("the first choice has no text")
    words, candidates = _log_probabilities(choice.get("logprobs"))
    usage = answer.get("usage")
    counted = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return Generated(
        text=text,
        prompt_tokens=counted if type(counted) is int else None,
        prompt_ids=_ids(answer.get("prompt_token_ids") or choice.get("prompt_token_ids")),
        ids=_ids(choice.get("token_ids")),
        words=words,
        candidates=candidates,
    )


def compare(old: Generated, new: Generated) -> Texts:
    """Hold a text against legacy's."""
    if (wrong := _prompts(old, new)) is not None:
        return Texts(differ=True, distance=1.0, what=wrong)
    if old.words is None or new.words is None:
        return _plainly(old.text, new.text)
    told = old.ids is not None and new.ids is not None
    before, after = (old.ids, new.ids) if told else (old.words, new.words)
    place = _first_difference(before or (), after or ())
    if place is None:
        return _same_tokens(old, new)
    return _at(place, old, new)


def _prompts(old: Generated, new: Generated) -> str | None:
    """What is wrong with the prompts' tokens, or None."""
    if old.prompt_ids is not None and new.prompt_ids is not None:
        place = _first_difference(old.prompt_ids, new.prompt_ids)
        if place is None:
            return None
        first, second = (_token(ids, place) for ids in (old.prompt_ids, new.prompt_ids))
        return (
            f"Token {place} of the prompt is {second}, not {first} ({len(new.prompt_ids)} tokens, "
            f"not {len(old.prompt_ids)}): another tokenizer or chat template."
        )
    counts = (old.prompt_tokens, new.prompt_tokens)
    if None not in counts and counts[0] != counts[1]:
        return f"The prompt is {counts[1]} tokens, not {counts[0]}: another tokenizer or chat template."
    return None


def _plainly(old: str, new: str) -> Texts:
    if old == new:
        return Texts(differ=False, distance=0.0, what="The texts are the same.")
    place = _first_difference(old, new) or 0
    around = slice(max(0, place - 20), place + 20)
    return Texts(
        differ=True,
        distance=1 - place / max(len(old), len(new)),
        what=f"After {place} characters {say(old[around])} became {say(new[around])}.",
    )


def _same_tokens(old: Generated, new: Generated) -> Texts:
    """The same tokens are the same text, unless a server writes them out in another way."""
    if old.text != new.text:
        return Texts(
            differ=True, distance=0.0, what=f"The same tokens became {say(new.text)}, not {say(old.text)}."
        )
    return Texts(differ=False, distance=0.0, what=f"All {len(new.words or ())} tokens are the same.")


def _at(place: int, old: Generated, new: Generated) -> Texts:
    """Judge the first token that differs by the candidates that either side had in its place."""
    before, after = (_token(one.words or (), place) for one in (old, new))
    near = _is_candidate(before, new, place) and _is_candidate(after, old, place)
    longest = max(len(old.words or ()), len(new.words or ()))
    said = f"Token {place} of {longest}: {say(before)} became {say(after)}"
    how = "a near tie for both" if near else "not among the likeliest of the other side"
    return Texts(differ=not near, distance=1 - place / longest, what=f"{said}, {how}.")


def _is_candidate(word: Any, other: Generated, place: int) -> bool:
    if place >= len(other.candidates):
        return False
    return other.candidates[place].get(word, math.inf) <= NEAR_NATS


def _first_difference(old: Sequence[Any], new: Sequence[Any]) -> int | None:
    pairs = zip_longest(old, new, fillvalue=_END)
    return next((place for place, (one, other) in enumerate(pairs) if one != other), None)


def _token(tokens: Sequence[Any], place: int) -> Any:
    return tokens[place] if place < len(tokens) else "the end"


def _ids(found: Any) -> tuple[int, ...] | None:
    if not isinstance(found, list) or not found or not all(type(one) is int for one in found):
        return None
    return tuple(found)


def _log_probabilities(found: Any) -> tuple[tuple[str, ...] | None, tuple[Mapping[str, float], ...]]:
    """Tokens and candidates: a list of entries in chats, lists beside each other in completions."""
    if not isinstance(found, dict):
        return None, ()
    try:
        if isinstance(found.get("content"), list):
            entries = found["content"]
            return (
                tuple(str(entry["token"]) for entry in entries),
                tuple(_behind(_entries(entry["top_logprobs"] or ())) for entry in entries),
            )
        if isinstance(found.get("tokens"), list):
            tops = found.get("top_logprobs") or ()
            return tuple(map(str, found["tokens"])), tuple(_behind((top or {}).items()) for top in tops)
    except (AttributeError, TypeError, ValueError, LookupError) as error:
        raise MalformedError("the log probabilities are not those of OpenAI's protocol") from error
    return None, ()


def _entries(tops: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, Any]]:
    return ((top["token"], top.get("logprob")) for top in tops)


def _behind(tops: Iterable[tuple[str, Any]]) -> Mapping[str, float]:
    """How much less likely than the likeliest each token is, in nats; 0 where its probability is not told."""
    told = {str(token): None if probability is None else float(probability) for token, probability in tops}
    most = max((known for known in told.values() if known is not None), default=0.0)
    return {token: 0.0 if known is None else most - known for token, known in told.items()}
