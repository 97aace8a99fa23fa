import dataclasses

import pytest

from turnout.domain.requests import Arm, ComparisonRecord
from turnout.fabric import comparison_files
from turnout.fabric.comparison_files import START, older
from turnout.fabric.state import State
from turnout.services.shadow import comparisons as writing
from turnout.services.shadow.comparisons import Comparisons


@pytest.fixture
def record():
    """Make the n-th comparison."""

    def make(n):
        return ComparisonRecord(
            model="iris",
            attempt="iris-1",
            at_seconds=float(n),
            captured_from=Arm.LEGACY,
            new_differs=False,
            old_differs=False,
            new_failed=False,
            distance=0.0,
            legacy_seconds=0.1,
            candidate_seconds=0.1,
        )

    return make


def test_each_comparison_is_read_once(tmp_path, record):
    """What was read is not read again, and what came since is."""
    state = State(tmp_path)
    file = state.comparisons("iris-1")
    assert comparison_files.read(file, START) == ([], START)
    writer = Comparisons(state)
    writer.append(record(1))
    first, place = comparison_files.read(file, START)
    writer.append(record(2))
    writer.append(record(3))
    second, place = comparison_files.read(file, place)
    assert ([r.at_seconds for r in first], [r.at_seconds for r in second]) == ([1.0], [2.0, 3.0])
    assert comparison_files.read(file, place) == ([], place)


def test_a_half_written_line_waits(tmp_path, record):
    """The line under way is left for the next read; one that was never finished is left out."""
    state = State(tmp_path)
    file = state.comparisons("iris-1")
    Comparisons(state).append(record(1))
    with file.open("ab") as out:
        out.write(b'{"model": "ir')
    found, place = comparison_files.read(file, START)
    assert len(found) == 1
    Comparisons(state).append(record(2))
    found, _ = comparison_files.read(file, place)
    assert [r.at_seconds for r in found] == [2.0]


def test_nothing_is_lost_when_the_file_is_begun_anew(tmp_path, record, monkeypatch):
    """A reader that was in the middle of the file when it was renamed finishes it before the new one."""
    monkeypatch.setattr(writing, "LARGEST_FILE_BYTES", 1_000)
    state = State(tmp_path)
    file, writer = state.comparisons("iris-1"), Comparisons(state)
    found, place, n = [], START, 0
    while not older(file).exists() or n % 2:
        n += 1
        writer.append(record(n))
        if n % 2:
            more, place = comparison_files.read(file, place)
            found += more
    more, _ = comparison_files.read(file, place)
    assert [r.at_seconds for r in found + more] == [float(i) for i in range(1, n + 1)]
    everything, _ = comparison_files.read(file, START)
    assert [r.at_seconds for r in everything] == [float(i) for i in range(1, n + 1)]
    assert file.stat().st_size < 1_500


def test_people_get_examples_but_not_thousands(tmp_path, record, monkeypatch):
    """Examples are kept up to a number; every comparison is kept."""
    monkeypatch.setattr(writing, "EXAMPLES", 2)
    state, writer = State(tmp_path), Comparisons(State(tmp_path))
    for n in range(5):
        writer.append(dataclasses.replace(record(n), new_differs=True, example={"request": "r"}))
    found, _ = comparison_files.read(state.comparisons("iris-1"), START, examples=True)
    assert [bool(r.example) for r in found] == [True, True, False, False, False]
    assert all(r.example is None for r in comparison_files.read(state.comparisons("iris-1"), START)[0])
