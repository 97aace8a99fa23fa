from pathlib import Path

import pytest

from turnout.domain.errors import NotFoundError
from turnout.lab.status import Row, rows, table


def test_the_table_lines_up():
    """Each column begins where its head begins, whatever is in it."""
    text = table(
        [
            Row("iris", "ready", 12, (8080,), 0, "http://127.0.0.1:8080", ""),
            Row("a-longer-name", "backoff", None, (), 3, "", "ended with status 1"),
        ]
    )

    head, first, second = text.splitlines()
    assert head.split() == ["PROCESS", "STATE", "PID", "PORT", "RESTARTS", "URL"]
    assert first[head.index("STATE") :].startswith("ready")
    assert second[head.index("STATE") :].startswith("backoff")
    assert first[head.index("URL") :] == "http://127.0.0.1:8080"
    assert second[head.index("URL") :] == "ended with status 1"


def test_a_directory_without_a_lab_is_a_clear_error(tmp_path: Path):
    """A misspelt directory is not reported as a lab without processes."""
    with pytest.raises(NotFoundError, match="no servers are known there"):
        rows(tmp_path / "nothing")
