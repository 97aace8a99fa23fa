"""What packaging says when there is nothing to work with, or no room."""

import errno
from pathlib import Path
from types import SimpleNamespace

import pytest

from tasks.package import golden, room_in
from turnout.domain.contract import Wire
from turnout.domain.errors import InvalidInputError, NotFoundError, RefusedError
from turnout.fabric.state import State


def test_a_full_disk_is_one_clear_error(tmp_path: Path):
    """Whoever packages is told what to free; other errors are not renamed."""
    with pytest.raises(RefusedError, match="no room left"), room_in(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(PermissionError), room_in(tmp_path):
        raise PermissionError(errno.EACCES, "denied")


def test_without_a_golden_set_nothing_is_packaged(tmp_path: Path):
    """The baseline comes first."""
    wiring = SimpleNamespace(state=State(tmp_path))
    with pytest.raises(NotFoundError, match="baseline"):
        golden(wiring, "iris")


@pytest.mark.parametrize("line", ["{", "{}", "[]", '{"request": "{", "response": "{}"}', '{"request": 1}'])
def test_a_golden_line_that_cannot_be_read_is_named(tmp_path: Path, line: str):
    """File and line."""
    file = tmp_path / "work" / "golden" / "iris.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text(f'{{"request": "{{}}", "response": "{{}}"}}\n{line}\n')
    wiring = SimpleNamespace(state=State(tmp_path), contract=lambda _: SimpleNamespace(wire=Wire.V1))
    with pytest.raises(InvalidInputError, match=r"iris\.jsonl, line 2"):
        golden(wiring, "iris")
