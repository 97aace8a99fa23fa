import os
from pathlib import Path

from turnout.fabric import marks


def test_a_lab_is_told_by_its_directory(tmp_path: Path):
    """The same directory is the same lab by any of its names; another one is another lab."""
    (tmp_path / "link").symlink_to(tmp_path / "one")

    assert marks.lab_id(tmp_path / "one") == marks.lab_id(tmp_path / "link")
    assert marks.lab_id(tmp_path / "one") != marks.lab_id(tmp_path / "other")


def test_nobody_marks_himself():
    """A search for marked processes never returns the one that searches."""
    lab = os.environ.get(marks.LAB, "")

    assert os.getpid() not in [process.pid for process in marks.marked(lab)]
