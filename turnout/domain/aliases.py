"""Which version of a model's packages serves, is candidate, was before.

The router says where traffic goes; these names tell everybody else. Pure; `tasks.aliases` reads and writes
them. Changes are in an order in which any of them may be the last one made: repeated, they come to the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass

SERVING, CANDIDATE, PREVIOUS = "serving", "candidate", "previous"


@dataclass(frozen=True)
class Aliases:
    """Versions by their names; None where nothing has it: legacy serves, and legacy was before."""

    serving: str | None = None
    candidate: str | None = None
    previous: str | None = None


@dataclass(frozen=True)
class Marking:
    """One change: the alias, and the version that it names from then on."""

    alias: str
    version: str | None


def promoted(known: Aliases, version: str) -> Iterator[Marking]:
    """A version was cut over: it serves, what served was before, and it is no candidate any more."""
    if known.serving != version:
        yield Marking(PREVIOUS, known.serving)
        yield Marking(SERVING, version)
    if known.candidate == version:
        yield Marking(CANDIDATE, None)


def taken_back(known: Aliases, version: str) -> Iterator[Marking]:
    """A version's attempt has ended: what was before it serves again, and it is nothing any more."""
    serving = known.serving
    if serving == version:
        serving = known.previous
        yield Marking(SERVING, serving)
    if known.previous == version or (known.previous is not None and known.previous == serving):
        yield Marking(PREVIOUS, None)
    if known.candidate == version:
        yield Marking(CANDIDATE, None)
