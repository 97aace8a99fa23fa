import re
from pathlib import Path

import pytest
import yaml

from turnout.fabric import contracts
from turnout.fabric.state import State
from turnout.lab import estate


@pytest.fixture
def laid_out(state: State) -> State:
    """A state directory with the estate in it."""
    estate.lay_out(state, estate.Portfolio.FULL)
    return state


@pytest.mark.parametrize("model", estate.MODELS, ids=lambda model: model.name)
def test_every_model_has_a_contract_as_it_is_served(laid_out: State, model: estate.LegacyModel):
    """The contract speaks the protocol that the model's clients speak."""
    assert contracts.load(laid_out.estate / "contracts", model.name).wire is model.wire


@pytest.mark.parametrize("model", estate.MODELS, ids=lambda model: model.name)
def test_a_manifest_names_the_models_files_in_the_lab(laid_out: State, model: estate.LegacyModel):
    """The claim that holds the models is mounted: storage URIs lead to the model's own folder, or into it."""
    text = (laid_out.estate / "manifests" / f"{model.name}.yaml").read_text()

    stored = [Path(uri) for uri in re.findall(r"file://([^\s}]+)", text)]
    own = laid_out.model_files(model.name)
    assert stored
    assert all(own in {path, path.parent} for path in stored)
    assert "pvc://" not in text


def test_a_quick_lab_serves_only_its_own_models(state: State):
    """Manifests and contracts of the full portfolio stay out of a quick one; a full one holds all models."""
    estate.lay_out(state)

    quick = estate.models(estate.Portfolio.QUICK)
    assert estate.laid_out(state) == quick
    assert {file.stem for file in (state.estate / "contracts").iterdir()} == {model.name for model in quick}
    assert estate.models(estate.Portfolio.FULL) == estate.MODELS


def test_a_lab_keeps_the_models_that_it_has_had(laid_out: State):
    """A quick start where a full lab was takes no model away: its clients and its attempts are there."""
    estate.lay_out(laid_out, estate.Portfolio.QUICK)

    assert estate.laid_out(laid_out) == estate.MODELS


def test_what_was_edited_is_not_overwritten(laid_out: State):
    """An owner's edit of a contract survives the next start of the lab."""
    file = laid_out.estate / "contracts" / "iris.yaml"
    file.write_text("# edited\n")

    estate.lay_out(laid_out)

    assert file.read_text() == "# edited\n"


def test_every_model_has_one_owner(laid_out: State):
    """Someone answers at each model's gates, and it is one person."""
    owners = yaml.safe_load((laid_out.estate / "owners.yaml").read_text())["owners"]

    owned = sorted(model for owner in owners.values() for model in owner["models"])
    assert owned == sorted(model.name for model in estate.MODELS)
