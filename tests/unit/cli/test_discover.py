import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from turnout.cli import turnout
from turnout.domain.errors import InvalidInputError, NotFoundError

MANIFESTS = Path(__file__).parent.parent / "manifests"
ROOT = Path(__file__).parents[3]


def _run(*arguments):
    return CliRunner().invoke(turnout, ["discover", *map(str, arguments)])


def _process(*arguments, folder):
    """The command as a user starts it, without any settings."""
    environment = {name: value for name, value in os.environ.items() if name != "TURNOUT_SETTINGS"}
    return subprocess.run(
        [sys.executable, "-m", "turnout", *map(str, arguments)],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_table_shows_each_model_with_unknown_for_what_is_unknown():
    """A row a model, in the seven groupings; other kinds are listed as not read yet."""
    found = _run("--manifests", MANIFESTS)
    assert found.exit_code == 0
    rows = {line.split()[0]: line for line in found.stdout.splitlines() if "/" in line.split("  ")[0]}
    assert rows.keys() == {"llm/chat", "prod/cancer", "prod/iris", "prod/ranker"}
    assert "unknown" in rows["llm/chat"]
    assert "ConfigMap" in found.stdout
    assert found.stderr == ""


def test_json_is_one_document_with_everything():
    """Programs get workloads, groups, problems and what is not read yet."""
    found = json.loads(_run("--manifests", MANIFESTS, "-o", "json").stdout)
    assert {one["name"] for one in found["workloads"]} == {"chat", "cancer", "iris", "ranker"}
    assert len(found["groups"]) == 7
    assert found["groups"]["framework"]["sklearn"] == ["prod/iris"]
    assert found["problems"] == []
    assert found["not_read"][0]["kind"] == "ConfigMap"
    assert found["graphs"][0]["name"] == "both"
    iris = next(one for one in found["workloads"] if one["name"] == "iris")
    assert iris["risk"]["points"] == sum(
        int(why.split("+")[1].rstrip(")")) for why in iris["risk"]["reasons"]
    )


def test_the_owners_file_names_owners_that_manifests_do_not(tmp_path):
    """A manifest's own word comes first; the owners file fills in the rest."""
    owners = tmp_path / "owners.yaml"
    owners.write_text("owners: {dana: {models: [chat, iris]}}\n")
    found = json.loads(_run("--manifests", MANIFESTS, "--owners", owners, "-o", "json").stdout)
    assert {one["name"]: one["owner"] for one in found["workloads"]} == {
        "chat": "dana",
        "iris": "ana",
        "cancer": "bo",
        "ranker": None,
    }


def test_every_problem_is_one_line_and_the_exit_is_2(tmp_path):
    """Bad manifests end in a line each on standard error; what could be read is shown, as valid JSON."""
    (tmp_path / "a.yaml").write_text("kind: InferenceService\napiVersion: serving.kserve.io/v1beta1\n")
    (tmp_path / "b.yaml").write_text("a: [1,\n")
    (tmp_path / "c.yaml").write_text((MANIFESTS / "estate.yaml").read_text())
    found = _run("--manifests", tmp_path, "-o", "json")
    assert found.exit_code == 2
    assert [line.split(" ")[1] for line in found.stderr.splitlines()] == [
        f"{tmp_path / 'a.yaml'}:1:",
        f"{tmp_path / 'b.yaml'}:1:",
    ]
    assert len(json.loads(found.stdout)["workloads"]) == 4


def test_without_settings_the_folder_has_to_be_named(tmp_path, monkeypatch):
    """No settings and no option: the error says which option."""
    monkeypatch.delenv("TURNOUT_SETTINGS", raising=False)
    monkeypatch.chdir(tmp_path)
    found = _run()
    assert isinstance(found.exception, InvalidInputError)
    assert found.exception.subject == "--manifests"


def test_no_folder_is_not_found(tmp_path):
    """A path that is not there is an error, not an empty estate."""
    found = _run("--manifests", tmp_path / "none")
    assert isinstance(found.exception, NotFoundError)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("discover", "--manifests", "nowhere"), 1, "error: nowhere: no such folder or file"),
        (("discover", "--manifests", "bad.yaml"), 2, "error: bad.yaml:1: no predictor"),
    ],
)
def test_the_exit_status_tells_programs_how_it_went(tmp_path, arguments, status, words):
    """2 for bad input and 1 for the rest: one line on standard error, never a traceback."""
    (tmp_path / "bad.yaml").write_text("kind: InferenceService\napiVersion: serving.kserve.io/v1beta1\n")
    found = _process(*arguments, folder=tmp_path)
    assert found.returncode == status, found.stderr
    assert found.stderr.startswith(words)
    assert len(found.stderr.splitlines()) == 1


def test_what_a_terminal_would_act_on_is_not_printed(tmp_path):
    """Control characters out of a manifest never reach the terminal."""
    text = (MANIFESTS / "estate.yaml").read_text().replace("owner: ana", 'owner: "a\\e[2Jna\\n"')
    (tmp_path / "a.yaml").write_text(text)
    found = _run("--manifests", tmp_path)
    assert "\x1b" not in found.stdout
    assert "a?[2Jna?" in found.stdout
