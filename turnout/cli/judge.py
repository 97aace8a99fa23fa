"""`turnout judge`: what the guard would have done with recorded counts.

Reads one look a line, keeps nothing but the guard's state, and asks the same functions as the sentinel.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, NoReturn

import click
import orjson

from turnout.domain import guard
from turnout.domain.errors import InvalidInputError
from turnout.domain.guard import GuardBounds, GuardState
from turnout.domain.looks import ArmCounts, Look, Pairs

DEFAULTS = {"errors": 0.01, "slow": 0.05, "first_token": 0.05, "differs": 0.01}
"""Bounds when no --max is given; of the last two those that the first line counts."""

LARGEST_COUNT = 2**53
"""Larger counts are no longer exact as floating-point numbers."""

BATCH = 256
"""Looks judged at once."""

LONGEST_SHOWN = 40
"""Characters of a wrong value that an error shows."""


@click.command(name="judge")
@click.argument("counts", metavar="COUNTS.jsonl")
@click.option(
    "--alpha", type=float, default=0.05, show_default=True, help="Chance of a false alarm, over all."
)
@click.option(
    "--ratio", type=float, default=1.25, show_default=True, help="Tolerated ratio to legacy's bad share."
)
@click.option(
    "--max",
    "limits",
    multiple=True,
    metavar="SIGNAL=SHARE",
    help="Share tolerated on top, for errors, slow, first_token or differs; repeatable; only these are "
    "judged. Without any: errors=0.01, slow=0.05, first_token=0.05 where the first line has slow_first, "
    "differs=0.01 where it has pairs.",
)
@click.option(
    "--pause-seconds", type=float, default=5.0, show_default=True, help="Longest pause of one arm tolerated."
)
def command(counts: str, alpha: float, ratio: float, limits: tuple[str, ...], pause_seconds: float) -> None:
    """Judge recorded counts as the guard would have.

    Each line of COUNTS.jsonl ("-": standard input) is one look: {"seconds": 1, "weight": 0.1,
    "legacy": {"requests": 18, "errors": 0, "slow": 1}, "candidate": {"requests": 2, "errors": 0, "slow": 0,
    "rescued": 0}}, with "pairs": {"neither": 5, "old_only": 0, "new_only": 0, "both": 0} where answers were
    compared, and with "slow_first" in both arms where first tokens were timed. Further keys are ignored, so
    that a sentinel's journal can be read as it is.

    Prints {"verdict", "signal", "line", "evidence"}. A breach stands from its line on. A pass stands from its
    line until the weight changes, which begins a new step, or a breach comes.
    """
    named = _named(limits)
    with _lines(counts) as lines:
        looks = _looks(counts, lines)
        first = next(looks, None)
        if first is None:
            _refuse(counts, "no line", "at least one look", "Give a file with one JSON object a line.")
        given = named or {k: v for k, v in DEFAULTS.items() if k not in first.uncounted}
        bounds = GuardBounds(tuple(given.items()), alpha=alpha, ratio=ratio, pause_seconds=pause_seconds)
        answer = _judged(bounds, _counted(counts, bounds, chain([first], looks)))
    click.echo(json.dumps(answer, allow_nan=False))


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    look: Look
    uncounted: tuple[str, ...]


def _counted(counts: str, bounds: GuardBounds, lines: Iterator[_Line]) -> Iterator[_Line]:
    """Refuse lines that do not time the first tokens that are to be judged."""
    timed = any(name == "first_token" for name, _ in bounds.limits)
    for line in lines:
        if timed and "first_token" in line.uncounted:
            _bad_line(counts, line.number, "legacy or candidate has no slow_first")
        yield line


def _judged(bounds: GuardBounds, lines: Iterator[_Line]) -> dict[str, Any]:
    """Judge all lines. Those after a breach are still read: bad input is bad input wherever it stands."""
    state = guard.begin(bounds)
    decided, at, kept = "undecided", 0, state
    while batch := list(islice(lines, BATCH)):
        if decided == "breach":
            continue
        states = guard.observe_each(state, bounds, [line.look for line in batch])
        for line, state in zip(batch, states, strict=True):
            now = _decided(state, bounds)
            # A pass at the first look of a step is a new one, whatever the step before had come to.
            if now != decided or now == "undecided" or state.step_looks == 1:
                decided, at, kept = now, line.number, state
            if now == "breach":
                break
    verdict = guard.judge(kept, bounds)
    return {
        "verdict": verdict.kind,
        "signal": verdict.signal,
        "line": None if verdict.kind == "undecided" else at,
        "evidence": verdict.evidence,
    }


def _decided(state: GuardState, bounds: GuardBounds) -> str:
    if state.breached is not None:
        return "breach"
    return "pass" if len(state.passed) == len(bounds.limits) else "undecided"


def _named(limits: tuple[str, ...]) -> dict[str, float]:
    named: dict[str, float] = {}
    for text in limits:
        name, _, value = text.partition("=")
        if name not in guard.SIGNALS or name in named:
            _refuse(
                f"--max {text}",
                f"signal {name!r}",
                f"one of {', '.join(guard.SIGNALS)}, each once",
                "Correct it.",
            )
        try:
            named[name] = float(value)
        except ValueError:
            _refuse(
                f"--max {text}", f"{value!r}", "a number between 0 and 1", "Write it as --max errors=0.01."
            )
    return named


@contextmanager
def _lines(counts: str) -> Iterator[IO[bytes]]:
    if counts == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(counts).open("rb") as file:
            yield file
    except OSError as error:
        _refuse(counts, error.strerror or str(error), "a readable file of counts", "Check the path.")


def _looks(counts: str, lines: IO[bytes]) -> Iterator[_Line]:
    for number, text in enumerate(lines, 1):
        if text.isspace():
            continue
        try:
            look, uncounted = _look(orjson.loads(text))
        except (_BadLineError, ValueError):
            look, uncounted = _read_again(counts, number, text)
        yield _Line(number, look, uncounted)


def _read_again(counts: str, number: int, text: bytes) -> tuple[Look, tuple[str, ...]]:
    """Read what the fast parser would not, or say what is wrong with it in the words of the slow one."""
    try:
        return _look(_DECODER.decode(text.decode()))
    except (_BadLineError, ValueError, RecursionError) as error:
        observed = str(error) if isinstance(error, _BadLineError) else f"not JSON: {error}"
        _bad_line(counts, number, observed)


def _bad_line(counts: str, number: int, observed: str) -> NoReturn:
    limit = "one look as `turnout judge --help` shows it"
    _refuse(f"{counts}, line {number}", observed, limit, "Correct it.")


class _BadLineError(Exception):
    """What is wrong with a line."""


def _no_number(name: str) -> NoReturn:
    raise _BadLineError(f"{name} is not a number")


# Made once: a decoder for each line would cost as much as the decoding.
_DECODER = json.JSONDecoder(parse_constant=_no_number)


def _look(document: Any) -> tuple[Look, tuple[str, ...]]:
    """The look of a line, and the signals that it does not count."""
    if type(document) is not dict:
        raise _BadLineError("not a JSON object")
    legacy = _arm(document, "legacy")
    candidate = _arm(document, "candidate")
    weight = _number(document, "weight", document.get("weight"))
    if not (0 < weight < 1 or (0 <= weight <= 1 and not candidate.requests)):
        raise _BadLineError(
            f"weight is {weight}, not between 0 and 1 (both excluded where the candidate has requests)"
        )
    seconds = _number(document, "seconds", document.get("seconds", 1))
    if seconds <= 0:
        raise _BadLineError(f"seconds is {seconds}, not positive")
    pairs = document.get("pairs")
    compared = Pairs() if pairs is None else _pairs(pairs)
    absent = {"differs": pairs, "first_token": None if legacy.slow_first is None else candidate.slow_first}
    uncounted = tuple(name for name, found in absent.items() if found is None)
    return Look(weight, legacy, candidate, seconds, compared, _diverted(document)), uncounted


def _diverted(document: dict[str, Any]) -> int:
    return _count("diverted", document["diverted"]) if document.get("diverted") is not None else 0


def _arm(document: dict[str, Any], name: str) -> ArmCounts:
    arm = document.get(name)
    if type(arm) is not dict:
        raise _BadLineError(f"{name} is missing or not an object")
    try:
        requests, errors, slow = arm["requests"], arm["errors"], arm["slow"]
    except KeyError as key:
        raise _BadLineError(f"{name} has no {key.args[0]}") from None
    rescued, first = arm.get("rescued"), arm.get("slow_first")
    whole = type(requests) is type(errors) is type(slow) is int
    whole = whole and (rescued is None or type(rescued) is int) and (first is None or type(first) is int)
    if not (
        whole
        and 0 <= errors <= requests >= slow >= 0
        and requests <= LARGEST_COUNT
        and 0 <= (rescued or 0) <= errors
        and 0 <= (first or 0) <= requests
    ):
        raise _BadLineError(_arm_fault(name, arm))
    return ArmCounts(requests, errors, slow, rescued, first)


def _arm_fault(name: str, arm: dict[str, Any]) -> str:
    """What is wrong with the counts of an arm that are known to be wrong."""
    requests = _count(f"{name}.requests", arm["requests"])
    errors = _count(f"{name}.errors", arm["errors"])
    slow = _count(f"{name}.slow", arm["slow"])
    if errors > requests:
        return f"{name}.errors is {errors}, more than its {requests} requests"
    if slow > requests:
        return f"{name}.slow is {slow}, more than its {requests} requests"
    first = arm.get("slow_first")
    if first is not None and _count(f"{name}.slow_first", first) > requests:
        return f"{name}.slow_first is {first}, more than its {requests} requests"
    return f"{name}.rescued is {_count(f'{name}.rescued', arm['rescued'])}, more than its {errors} errors"


def _pairs(pairs: Any) -> Pairs:
    if type(pairs) is not dict:
        raise _BadLineError("pairs is not an object")
    try:
        counts = (pairs["neither"], pairs["old_only"], pairs["new_only"], pairs["both"])
    except KeyError as key:
        raise _BadLineError(f"pairs has no {key.args[0]}") from None
    neither, old, new, both = counts
    whole = type(neither) is type(old) is type(new) is type(both) is int
    if not (whole and min(counts) >= 0 and max(counts) <= LARGEST_COUNT):
        for name in ("neither", "old_only", "new_only", "both"):
            _count(f"pairs.{name}", pairs[name])
    return Pairs(neither, old, new, both)


def _count(name: str, value: Any) -> int:
    # `type`, not isinstance: JSON's true is no count, though Python's bool is an int.
    if type(value) is not int or not 0 <= value <= LARGEST_COUNT:
        raise _BadLineError(f"{name} is {_short(value)}, not a whole number of at least 0")
    return value


def _number(document: dict[str, Any], name: str, value: Any) -> float:
    if name not in document and value is None:
        raise _BadLineError(f"{name} is missing")
    if type(value) not in (int, float) or not -LARGEST_COUNT <= value <= LARGEST_COUNT:
        raise _BadLineError(f"{name} is {_short(value)}, not a number")
    return float(value)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _refuse(subject: str, observed: str, limit: str, remedy: str) -> NoReturn:
    raise InvalidInputError(subject, observed=observed, limit=limit, remedy=remedy)
