"""Faults are put in and lifted whole, and only such as exist."""

import json
import re
from pathlib import Path

import pytest

from turnout.domain.errors import InvalidInputError
from turnout.lab import faults

ROOT = Path(__file__).parents[3]


def test_a_fault_is_written_and_lifted(tmp_path):
    """What the backend reads; a second fault takes the first one's place; lifting twice is harmless."""
    faults.put(tmp_path, "iris-1", "failing", share=0.3)
    file = faults.put(tmp_path, "iris-1", "slow", seconds=0.5)
    assert file == faults.file(tmp_path, "iris-1")
    assert json.loads(file.read_text()) == {"kind": "slow", "seconds": 0.5}
    for _ in range(2):
        faults.lift(tmp_path, "iris-1")
    assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize("kind", ["reversed_features", "reversed_classes", "rounded_features", "nonsense"])
def test_some_faults_take_nothing(tmp_path, kind):
    """Kind alone."""
    assert json.loads(faults.put(tmp_path, "iris-1", kind).read_text()) == {"kind": kind}


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [("explode", {}), ("failing", {}), ("failing", {"seconds": 1}), ("nonsense", {"share": 1}), ("slow", {})],
)
def test_what_does_not_exist_is_refused(tmp_path, kind, parameters):
    """The error names the faults; nothing is written."""
    with pytest.raises(InvalidInputError, match="reversed_features"):
        faults.put(tmp_path, "iris-1", kind, **parameters)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", faults.Broken)
def test_every_kind_of_broken_candidate_stands_in_the_table_with_its_test(kind):
    """One line a kind; the tests that it names are there, and the file brings that very kind up."""
    table = (ROOT / "docs" / "broken-candidates.md").read_text().splitlines()
    (line,) = [one for one in table if one.startswith(f"| {kind} |")]
    file, *tests = re.findall(r"`([^`]*test_[^`]*)`", line)
    source = (ROOT / "tests" / "heavy" / file).read_text()
    assert tests
    assert all(f"def {test}(" in source for test in tests)
    assert f"@pytest.mark.broken(Broken.{kind.name})\ndef {tests[0]}(" in source
