"""A storage URI leads to one model file, or to one clear error."""

from pathlib import Path

import pytest

from turnout.domain.errors import InvalidInputError, UnsupportedError
from turnout.fabric.storage import model_file


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A mounted claim with one model of each framework."""
    for name in ("iris/model.joblib", "cancer/model.json"):
        (tmp_path / "models" / name).parent.mkdir(parents=True)
        (tmp_path / "models" / name).write_bytes(b"model")
    return tmp_path / "models"


def test_a_folder_leads_to_its_model_file(volume):
    """By URI, by path, by claim; named as the framework's server looks for it."""
    for uri in (f"file://{volume}/iris", f"{volume}/iris", "pvc://models/iris"):
        assert model_file("iris", uri, "sklearn", volume=volume) == volume / "iris" / "model.joblib"
    assert model_file("cancer", "pvc://models/cancer", "xgboost", volume=volume).name == "model.json"


def test_a_file_is_taken_as_it_is(volume):
    """Whatever its name."""
    (volume / "odd.bin").touch()
    assert model_file("odd", f"file://{volume}/odd.bin", "sklearn", volume=volume) == volume / "odd.bin"


@pytest.mark.parametrize(
    ("uri", "seen"), [("pvc://models/gone", "no such path"), ("pvc://models/cancer", "no model file")]
)
def test_a_missing_model_file_is_one_clear_error(volume, uri, seen):
    """The path and the names that were looked for."""
    with pytest.raises(InvalidInputError, match=rf"{seen}.*model\.joblib"):
        model_file("iris", uri, "sklearn", volume=volume)


def test_two_model_files_are_not_guessed_between(volume):
    """Which one is served is for the owner to say."""
    (volume / "iris" / "model.pkl").touch()
    with pytest.raises(InvalidInputError, match="2 model files"):
        model_file("iris", "pvc://models/iris", "sklearn", volume=volume)


@pytest.mark.parametrize(
    "uri",
    [
        None,
        "",
        "s3://bucket/iris",
        "pvc://others/iris",
        "pvc://models/../../etc",
        "file://host/x",
        "models/iris",
    ],
)
def test_storage_that_is_not_here_is_unsupported(volume, uri):
    """An object store, another claim, a way out of the volume: said so."""
    with pytest.raises(UnsupportedError, match="storage of iris"):
        model_file("iris", uri, "sklearn", volume=volume)
