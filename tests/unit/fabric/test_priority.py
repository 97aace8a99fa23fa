import os

import pytest

from turnout.fabric import priority


@pytest.mark.parametrize(
    ("nice", "cores", "weights"),
    [
        (0, 1, ("1024", "100")),
        (0, 4, ("4096", "400")),
        (-5, 1, ("3125", "305")),
        (5, 2, ("671", "66")),
        (19, 1, ("15", "2")),
        (-20, 64, ("262144", "10000")),
    ],
)
def test_a_control_group_weighs_what_pods_do(tmp_path, monkeypatch, nice, cores, weights):
    """A core's worth for each core, in both versions of control groups; what has no weight gets no file."""
    monkeypatch.setattr(os, "getpriority", lambda *_: nice)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    old, new, other = (tmp_path / name for name in ("old", "new", "other"))
    for folder in (old, new, other):
        folder.mkdir()
    (old / "cpu.shares").touch()
    (new / "cpu.weight").touch()
    for folder in (old, new, other):
        priority.weigh(folder)
    assert ((old / "cpu.shares").read_text(), (new / "cpu.weight").read_text()) == weights
    assert not list(other.iterdir())
