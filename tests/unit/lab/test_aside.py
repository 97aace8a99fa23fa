from pathlib import Path

import pytest

from turnout.domain.errors import RefusedError
from turnout.fabric.state import State
from turnout.lab.aside import set_aside


def test_an_earlier_labs_state_is_kept_under_another_name(tmp_path: Path):
    """A new demonstration begins from nothing, and the earlier report can still be read."""
    state = State(tmp_path / "lab")
    state.report.mkdir(parents=True)
    (state.report / "report.html").write_text("earlier")
    state.ports_file.write_text("{}")

    aside = set_aside(state.root)

    assert aside is not None
    assert aside.parent == tmp_path
    assert State(aside).report.joinpath("report.html").read_text() == "earlier"
    assert not state.root.exists()


def test_a_directory_that_is_no_labs_stays(tmp_path: Path):
    """Somebody else's files are not moved."""
    (tmp_path / "notes.txt").write_text("mine")

    assert set_aside(tmp_path) is None
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert set_aside(tmp_path / "nothing") is None


def test_a_name_that_is_taken_is_refused(tmp_path: Path):
    """Nothing is overwritten: a second state of the same moment is one clear error."""
    state = State(tmp_path / "lab")
    state.root.mkdir()
    state.ports_file.write_text("{}")
    first = set_aside(state.root)
    assert first is not None
    first.rename(tmp_path / "kept")
    (tmp_path / first.name).mkdir()
    (tmp_path / first.name / "something").touch()
    (tmp_path / "kept").rename(state.root)

    with pytest.raises(RefusedError, match="cannot be moved"):
        set_aside(state.root)
    assert state.ports_file.is_file()
