"""The fence of an attempt, in every interleaving that chance finds, one step on the files at a time."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.router.stepping import Stepped
from turnout.domain.errors import RefusedError, TemporaryError
from turnout.domain.route import RouteChange, RoutePolicy
from turnout.fabric.router import route_document
from turnout.fabric.router.directory import Life, RouteDirectory
from turnout.fabric.router.standing import Standing, changed, opened

MODEL = "iris"
FIRST, SECOND = "iris-1", "iris-2"


def render(standing: Standing) -> bytes:
    """A document as the router reads it."""
    return route_document.render(standing, legacy=RoutePolicy(), candidate=RoutePolicy())


@contextmanager
def founded() -> Iterator[Path]:
    """A model's folder on a real file system."""
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "routes" / MODEL
        RouteDirectory(folder).found(render(Standing(model=MODEL)), {"registration.json": b"{}"})
        yield folder


def prepare(directory: RouteDirectory, attempt: str) -> None:
    """Stage an attempt."""
    directory.prepare(attempt, render(opened(Standing(model=MODEL), attempt)), {})


def raise_to(directory: RouteDirectory, attempt: str, weight: float) -> None:
    """Read, decide, write: as a flow raises a weight."""
    read = route_document.parse(directory.document())
    change = RouteChange(model=MODEL, attempt=attempt, read_version=read.version, weight=weight)
    directory.change(attempt, lambda old: render(changed(route_document.parse(old), change)))


class Writer(Stepped):
    """One process at work on the files, let go step by step."""

    def __init__(self, folder: Path, work: Callable[[RouteDirectory], None]) -> None:
        """Start it; it stands before its first step."""
        super().__init__(lambda step: work(RouteDirectory(folder, lock_seconds=0, step=step)))


WORKS = {
    "open first": lambda d: (prepare(d, FIRST), d.open(FIRST)),
    "open second": lambda d: (prepare(d, SECOND), d.open(SECOND)),
    "raise first": lambda d: raise_to(d, FIRST, 0.5),
    "raise first more": lambda d: raise_to(d, FIRST, 0.9),
    "raise second": lambda d: raise_to(d, SECOND, 0.5),
    "end first": lambda d: d.end(FIRST, b"one"),
    "end first again": lambda d: d.end(FIRST, b"two"),
    "end second": lambda d: d.end(SECOND, b"three"),
}


@settings(max_examples=60, deadline=None)
@given(
    opened_first=st.booleans(),
    works=st.lists(st.sampled_from(sorted(WORKS)), min_size=2, max_size=5),
    turns=st.lists(st.integers(0, 4), max_size=120),
)
def test_an_ended_attempt_never_gets_weight_again(opened_first, works, turns):
    """However writers interleave, stopped ones included: what has ended stays ended, without traffic."""
    with founded() as folder:
        now = RouteDirectory(folder)
        if opened_first:
            prepare(now, FIRST)
            now.open(FIRST)
        writers = [Writer(folder, WORKS[name]) for name in works]
        ended: set[str] = set()
        for turn in [*turns, *([None] * len(writers))]:
            writer = writers[turn % len(writers)] if turn is not None else writers.pop(0)
            writer.advance() if turn is not None else writer.finish()
            live = route_document.parse(now.document()).attempt
            assert live not in ended
            ended |= {one for one in (FIRST, SECOND) if now.life(one) is Life.ENDED}
            assert live not in ended
        for name in works:
            if name.startswith("end"):
                attempt = FIRST if "first" in name else SECOND
                assert now.life(attempt) is Life.ENDED
                assert now.epitaph(attempt) is not None


@pytest.mark.parametrize("steps", range(14))
def test_a_rollback_passes_a_writer_stopped_anywhere(steps):
    """A raise stopped after any of its steps, holding the lock or not, delays no rollback and undoes none."""
    with founded() as folder:
        now = RouteDirectory(folder)
        prepare(now, FIRST)
        now.open(FIRST)
        writer = Writer(folder, WORKS["raise first"])
        for _ in range(steps):
            writer.advance()
        was_done = writer.done
        assert now.end(FIRST, b"stop")
        assert now.live() is None
        writer.finish()
        assert now.live() is None
        assert route_document.parse(now.document()).weight == 0.0
        assert was_done or isinstance(writer.refused, RefusedError)


@pytest.mark.parametrize("steps", range(10))
def test_a_rollback_wins_over_an_opening_stopped_anywhere(steps):
    """An opening that comes late finds its ticket gone."""
    with founded() as folder:
        now = RouteDirectory(folder)
        writer = Writer(folder, WORKS["open first"])
        for _ in range(steps):
            writer.advance()
        was_done = writer.done
        now.end(FIRST, b"stop")
        writer.finish()
        assert now.live() is None
        assert now.life(FIRST) is Life.ENDED
        assert was_done or writer.refused is not None
        with pytest.raises(RefusedError):
            now.open(FIRST)


@pytest.mark.parametrize("steps", range(10))
def test_a_rollback_killed_anywhere_can_be_repeated(steps):
    """What a killed rollback leaves behind is what a second one finishes."""
    with founded() as folder:
        now = RouteDirectory(folder)
        prepare(now, FIRST)
        now.open(FIRST)
        raise_to(now, FIRST, 0.5)
        killed = Writer(folder, WORKS["end first"])
        for _ in range(steps):
            killed.advance()
        now.end(FIRST, b"again")
        assert now.live() is None
        assert now.epitaph(FIRST) is not None
        killed.finish()
        assert now.live() is None


def test_a_repeated_rollback_leaves_the_next_attempt_alone():
    """The ticket of an attempt takes away that attempt, and no other."""
    with founded() as folder:
        now = RouteDirectory(folder)
        prepare(now, FIRST)
        now.open(FIRST)
        late = Writer(folder, WORKS["end first again"])
        for _ in range(5):  # it has seen the first attempt live, and stands before it uses the ticket
            late.advance()
        now.end(FIRST, b"first")
        prepare(now, SECOND)
        now.open(SECOND)
        late.finish()
        assert now.live() == SECOND
        assert now.epitaph(FIRST) == b"first"


def test_a_rollback_works_on_a_damaged_folder():
    """Without its ticket, removed by hand, an attempt can still be ended."""
    with founded() as folder:
        now = RouteDirectory(folder)
        prepare(now, FIRST)
        now.open(FIRST)
        (folder / "attempts" / FIRST / "ending").unlink()
        assert now.end(FIRST, b"damaged")
        assert now.life(FIRST) is Life.ENDED


def test_a_writer_that_waits_too_long_says_so():
    """Behind a stopped writer a raise ends with a temporary error, not with a hang."""
    with founded() as folder:
        now = RouteDirectory(folder)
        prepare(now, FIRST)
        now.open(FIRST)
        holder = Writer(folder, WORKS["raise first"])
        for _ in range(4):
            holder.advance()
        with pytest.raises(TemporaryError, match="another writer"):
            raise_to(RouteDirectory(folder, lock_seconds=0), FIRST, 0.2)
        holder.finish()


def test_attempts_are_listed_by_their_number():
    """The tenth attempt comes after the ninth, and a foreign folder is none."""
    with founded() as folder:
        now = RouteDirectory(folder)
        for number in (10, 9, 2):
            prepare(now, f"{MODEL}-{number}")
        (folder / "attempts" / "left over").mkdir()
        assert now.attempts() == ["iris-2", "iris-9", "iris-10"]


def test_a_second_attempt_does_not_push_the_first_aside():
    """While one attempt is live, another one's ticket cannot be used, and stays unused."""
    with founded() as folder:
        now = RouteDirectory(folder)
        for attempt in (FIRST, SECOND):
            prepare(now, attempt)
        now.open(FIRST)
        with pytest.raises(RefusedError, match="is live"):
            now.open(SECOND)
        assert (now.live(), now.life(SECOND)) == (FIRST, Life.PREPARED)
