import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from turnout.cli.report import command
from turnout.domain.errors import NotFoundError
from turnout.report import links as asking


def test_it_prints_both_paths_and_writes_them(stage):
    """The command's output is where the report is, for people and for scripts."""
    stage.traffic("iris", [(0.0, None, 0.0)])
    result = CliRunner().invoke(command, ["--state", str(stage.root), "--wall-seconds", "12"])
    assert result.exit_code == 0, result.output
    page, summary = result.output.split()
    assert "Migration report" in Path(page).read_text()
    read = json.loads(Path(summary).read_text())
    assert read["wall_seconds"] == 12
    assert read["client"] == {"requests": len(stage.requests["iris"]), "failures": 0}


def test_an_empty_state_directory_has_a_report(tmp_path):
    """On a machine where nothing has run the report says so, with exit status 0."""
    result = CliRunner().invoke(command, ["--state", str(tmp_path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["models"] == []


def test_a_missing_state_directory_is_named(tmp_path):
    """A misspelled directory is one clear error, and nothing is made."""
    result = CliRunner().invoke(command, ["--state", str(tmp_path / "nowhere")])
    assert isinstance(result.exception, NotFoundError)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("links", [True, False])
def test_a_copied_state_directory_is_read_where_it_lies(stage, tmp_path, monkeypatch, links):
    """The settings in a copy still name the place it was copied from; the copy is what is read."""
    monkeypatch.setattr(asking, "_answers", lambda _url: False)
    if links:
        text = f"state: {tmp_path}/elsewhere\n" + "".join(
            f"{key}: {stage.root}/{key}\n" for key in ("manifests", "contracts", "pools", "owners")
        )
        (stage.root / "turnout.yaml").write_text(text + "prefect_ui: http://127.0.0.1:4200\n")
    result = CliRunner().invoke(command, ["--state", str(stage.root)])
    assert result.exit_code == 0, result.output
    html = (stage.root / "report" / "report.html").read_text()
    assert ("http://127.0.0.1:4200" in html) is links
    assert not (tmp_path / "elsewhere").exists()
