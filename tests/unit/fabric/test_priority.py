import os

import pytest

from turnout.fabric import priority


@pytest.mark.parametrize(("nice", "shares"), [(-5, "3125"), (0, "1024"), (5, "336"), (19, "15")])
def test_a_control_group_weighs_what_the_caller_does(tmp_path, monkeypatch, nice, shares):
    """In version 1 by shares, in version 2 by the value itself; what has no weight gets no file."""
    monkeypatch.setattr(os, "getpriority", lambda *_: nice)
    old, new, other = (tmp_path / name for name in ("old", "new", "other"))
    for folder in (old, new, other):
        folder.mkdir()
    (old / "cpu.shares").touch()
    (new / "cpu.weight.nice").touch()
    for folder in (old, new, other):
        priority.weigh(folder)
    assert (old / "cpu.shares").read_text() == shares
    assert (new / "cpu.weight.nice").read_text() == str(nice)
    assert not list(other.iterdir())
