import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from turnout.cli import turnout
from turnout.domain.contract import Contract, SameAnswer
from turnout.domain.errors import InvalidInputError
from turnout.fabric import contracts

MANIFESTS = Path(__file__).parent.parent / "manifests"
POOLS = """\
pools:
  - {name: cpu, cpu: 8, memory_gib: 32, nodes: 4, price_per_hour_usd: 0.4}
  - {name: l4, accelerator: nvidia-l4, accelerators_per_node: 1, cpu: 8, memory_gib: 64, nodes: 2}
"""


@pytest.fixture
def estate(tmp_path):
    """Pools, and a contract for iris alone."""
    (tmp_path / "pools.yaml").write_text(POOLS)
    same = SameAnswer(kind="labels")
    contracts.write(
        tmp_path / "contracts", Contract(model="iris", wire="v1", inputs=(), outputs=(), same_answer=same)
    )
    return tmp_path


def _run(estate, *more):
    arguments = [
        "--manifests",
        MANIFESTS,
        "--pools",
        estate / "pools.yaml",
        "--contracts",
        estate / "contracts",
    ]
    return CliRunner().invoke(turnout, ["plan", *map(str, arguments), *more])


def test_the_plan_says_where_each_model_goes_and_what_blocks_it(estate):
    """Programs read a line a model, in the order of the waves, each with its digest."""
    found = _run(estate, "-o", "json")
    assert found.exit_code == 0
    lines = {line["model"]: line for line in json.loads(found.stdout)["lines"]}
    assert (lines["iris"]["runtime"], lines["iris"]["bridge"], lines["iris"]["blockers"]) == (
        "triton",
        "ray_serve",
        [],
    )
    best = lines["chat"]["placement"]["best"]
    assert (best["pool"], best["replicas_per_node"], best["price_per_hour_usd"]) == ("l4", 1, None)
    assert {one["kind"] for one in lines["ranker"]["blockers"]} >= {
        "custom_container",
        "explainer",
        "no_owner",
    }
    assert all(len(line["digest"]) == 64 for line in lines.values())
    waves = [line["wave"] for line in json.loads(found.stdout)["lines"]]
    assert waves == sorted(waves)


def test_the_table_gives_the_reasons(estate):
    """People read the choice, the runner-up, why not the others, and the blockers."""
    found = _run(estate)
    assert found.exit_code == 0
    assert "triton + ray_serve bridge" in found.stdout
    assert "not on cpu: it has no accelerator" in found.stdout
    assert "! explainer: it has no counterpart" in found.stdout


def test_an_unknown_accelerator_is_one_error_with_its_line(estate):
    """A pools file that cannot be used gives no plan."""
    (estate / "pools.yaml").write_text(POOLS.replace("nvidia-l4", "nvidia-b999"))
    found = _run(estate)
    assert isinstance(found.exception, InvalidInputError)
    assert found.exception.subject == f"{estate / 'pools.yaml'}:3"
    assert "nvidia-b999" in found.exception.observed
    assert found.stdout == ""


def test_a_wrong_contract_gives_no_plan(estate):
    """Nothing is planned over a contract that cannot be read; every problem is named."""
    (estate / "contracts" / "chat.yaml").write_text("model: chat\n")
    found = _run(estate)
    assert (found.exit_code, found.stdout) == (2, "")
    assert f"error: {estate / 'contracts' / 'chat.yaml'}:1: wire is missing" in found.stderr


def test_settings_give_what_no_option_names(estate, monkeypatch):
    """Beside a lab the command needs no options at all."""
    settings = estate / "turnout.yaml"
    (estate / "owners.yaml").write_text("owners: {dana: {models: [chat]}}\n")
    named = {"state": ".", "manifests": MANIFESTS, "contracts": estate / "contracts"}
    files = {"pools": estate / "pools.yaml", "owners": estate / "owners.yaml"}
    settings.write_text("".join(f"{key}: {value}\n" for key, value in {**named, **files}.items()))
    monkeypatch.setenv("TURNOUT_SETTINGS", str(settings))
    found = CliRunner().invoke(turnout, ["plan", "-o", "json"])
    assert found.exit_code == 0
    lines = {line["model"]: line for line in json.loads(found.stdout)["lines"]}
    assert "no_owner" not in {one["kind"] for one in lines["chat"]["blockers"]}
