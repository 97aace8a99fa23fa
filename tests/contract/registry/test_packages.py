"""The package registry in memory and the one in a real MLflow server keep the same promises."""

import shutil
from pathlib import Path

import pytest

from turnout.domain.errors import NotFoundError, PermanentError
from turnout.domain.package import ExternalFiles, PackageManifest, PackageVersion
from turnout.fabric.registry import external, files
from turnout.fabric.registry.packages import FOLDER, MlflowPackages


def packed(
    root: Path, model: str, weights: bytes = b"\x00weights", large: tuple[ExternalFiles, ...] = ()
) -> Path:
    """A package of two files, and of what lies outside of it."""
    (root / "repository" / model / "1").mkdir(parents=True)
    (root / "repository" / model / "config.pbtxt").write_text(f'name: "{model}"')
    (root / "repository" / model / "1" / "model.onnx").write_bytes(weights)
    manifest = PackageManifest(
        model=model,
        runtime="triton",
        files=files.describe(root),
        runtime_config={"repository": "repository"},
        contract={"model": model},
        source={"uri": f"file:///models/{model}", "sha256": "0" * 64},
        external=large,
    )
    files.write(root, manifest)
    return root


def test_a_package_comes_back_as_it_was_registered(registry, model, tmp_path):
    """The same files, whichever machine fetches them."""
    version = registry.register(packed(tmp_path / "made", model))
    manifest = registry.fetch(version, tmp_path / "fetched")
    assert (version.model, version.version) == (model, "1")
    assert manifest == files.check(tmp_path / "made")
    assert (tmp_path / "fetched" / "repository" / model / "1" / "model.onnx").read_bytes() == b"\x00weights"


def test_registering_the_same_again_makes_no_new_version(registry, model, tmp_path):
    """A flow that is started again finds the version it had made; other files make another."""
    first = registry.register(packed(tmp_path / "a", model))
    assert registry.register(packed(tmp_path / "b", model)) == first
    other = registry.register(packed(tmp_path / "c", model, b"others"))
    assert (other.version, other.digest == first.digest) == ("2", False)


def test_a_package_with_a_changed_file_is_not_registered(registry, model, tmp_path):
    """What was proved is what is registered."""
    root = packed(tmp_path / "made", model)
    (root / "repository" / model / "1" / "model.onnx").write_bytes(b"changed")
    with pytest.raises(PermanentError, match=r"model\.onnx"):
        registry.register(root)


def test_an_unknown_version_is_not_found(registry, model, tmp_path):
    """A version that was never registered, or under another digest, is refused."""
    known = registry.register(packed(tmp_path / "made", model))
    for unknown in (
        PackageVersion(model=model, version="7", digest=known.digest),
        PackageVersion(model=model, version="1", digest="f" * 64),
    ):
        with pytest.raises(NotFoundError):
            registry.fetch(unknown, tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


def test_fetching_again_is_harmless_and_repairs(registry, model, tmp_path):
    """A fetched package that was changed on this machine is brought back to what is registered."""
    version = registry.register(packed(tmp_path / "made", model))
    registry.fetch(version, tmp_path / "fetched")
    file = tmp_path / "fetched" / "repository" / model / "1" / "model.onnx"
    before = file.stat().st_ino
    registry.fetch(version, tmp_path / "fetched")
    assert file.stat().st_ino == before
    file.write_bytes(b"changed")
    registry.fetch(version, tmp_path / "fetched")
    assert file.read_bytes() == b"\x00weights"


def test_a_version_is_found_with_its_digest(registry, model, tmp_path):
    """By its number; one that there is not is none."""
    known = registry.register(packed(tmp_path / "a", model))
    assert registry.find(model, known.version) == known
    assert registry.find(model, "9") is None
    assert registry.find(f"{model}-unknown", "1") is None


def test_aliases_name_versions(registry, model, tmp_path):
    """serving, candidate and previous are set, moved and removed."""
    first = registry.register(packed(tmp_path / "a", model))
    second = registry.register(packed(tmp_path / "b", model, b"others"))
    assert registry.marked(model, "candidate") is None
    registry.mark(model, "candidate", first.version)
    registry.mark(model, "candidate", second.version)
    assert registry.marked(model, "candidate") == second
    registry.mark(model, "candidate", None)
    assert registry.marked(model, "candidate") is None
    assert registry.marked(f"{model}-unknown", "candidate") is None


def test_an_alias_names_only_what_exists(registry, model, tmp_path):
    """A version that does not exist cannot be marked; removing what is not there is harmless."""
    registry.register(packed(tmp_path / "a", model))
    with pytest.raises(NotFoundError):
        registry.mark(model, "serving", "9")
    registry.mark(model, "serving", None)


def test_a_file_changed_in_the_registry_is_noticed(mlflow_url, mlflow_client, model, tmp_path):
    """A changed artifact does not reach a server, and nothing is left in the directory."""
    registry = MlflowPackages(mlflow_url, volume=tmp_path)
    version = registry.register(packed(tmp_path / "made", model))
    run_id = mlflow_client.get_model_version(model, version.version).run_id
    changed = tmp_path / "model.onnx"
    changed.write_bytes(b"changed")
    mlflow_client.log_artifact(run_id, str(changed), f"{FOLDER}/repository/{model}/1")
    with pytest.raises(PermanentError, match=r"model\.onnx"):
        registry.fetch(version, tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


def test_a_whole_other_package_in_its_place_is_noticed(mlflow_url, mlflow_client, model, tmp_path):
    """A package that is consistent in itself, but not the one registered, is refused as well."""
    registry = MlflowPackages(mlflow_url, volume=tmp_path)
    version = registry.register(packed(tmp_path / "made", model))
    shutil.rmtree(tmp_path / "made")
    run_id = mlflow_client.get_model_version(model, version.version).run_id
    mlflow_client.log_artifacts(run_id, str(packed(tmp_path / "made", model, b"others")), FOLDER)
    with pytest.raises(PermanentError, match="registered digest"):
        registry.fetch(version, tmp_path / "fetched")


@pytest.fixture
def weights(tmp_path) -> Path:
    """Large files on a volume, one of them behind a link as caches of model hubs have it."""
    folder = tmp_path / "large"
    (folder / "blobs").mkdir(parents=True)
    (folder / "blobs" / "abc").write_bytes(b"\x01" * 100_000)
    (folder / "snapshot" / "tokens").mkdir(parents=True)
    (folder / "snapshot" / "model.safetensors").symlink_to(folder / "blobs" / "abc")
    (folder / "snapshot" / "tokens" / "tokenizer.json").write_text("{}")
    return folder / "snapshot"


def large(volume: Path) -> tuple[ExternalFiles, ...]:
    """What a manifest says of them."""
    location = "pvc://models/large/snapshot"
    return (external.describe("m", location, directory="weights", revision="4f2a", volume=volume),)


@pytest.mark.usefixtures("weights")
def test_large_files_are_not_uploaded_and_are_there_when_fetched(registry, model, tmp_path):
    """Weights are registered by place and digest; a fetched package holds them as real files."""
    made = packed(tmp_path / "made", model, large=large(tmp_path))
    version = registry.register(made)
    manifest = registry.fetch(version, tmp_path / "fetched")
    assert not (made / "weights").exists()
    fetched = tmp_path / "fetched" / "weights" / "model.safetensors"
    assert fetched.read_bytes() == b"\x01" * 100_000
    assert not fetched.is_symlink()
    assert manifest == files.check(tmp_path / "fetched", whole=True)
    assert registry.register(made) == version


def test_a_fetched_package_stays_when_its_source_is_replaced(registry, model, weights, tmp_path):
    """A new download beside the served one does not change what is served."""
    version = registry.register(packed(tmp_path / "made", model, large=large(tmp_path)))
    registry.fetch(version, tmp_path / "fetched")
    (weights / "model.safetensors").unlink()
    (weights / "model.safetensors").write_bytes(b"newer")
    registry.fetch(version, tmp_path / "fetched")
    assert (tmp_path / "fetched" / "weights" / "model.safetensors").stat().st_size == 100_000


@pytest.mark.parametrize(
    "change", [b"\x02" * 100_000, b"\x01" * 99_999, None], ids=["other", "cut off", "gone"]
)
def test_a_large_file_that_does_not_match_stops_the_deployment(registry, model, weights, change, tmp_path):
    """Other, cut-off or missing weights reach no server: nothing is left in the directory."""
    version = registry.register(packed(tmp_path / "made", model, large=large(tmp_path)))
    (weights / "model.safetensors").unlink()
    if change is not None:
        (weights / "model.safetensors").write_bytes(change)
    with pytest.raises(PermanentError, match=r"model\.safetensors"):
        registry.fetch(version, tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()
    assert not list(tmp_path.glob(".fetch-*"))


def test_a_package_without_its_large_files_is_not_registered(registry, model, weights, tmp_path):
    """What is registered could be fetched at that time."""
    made = packed(tmp_path / "made", model, large=large(tmp_path))
    (weights / "tokens" / "tokenizer.json").write_text("[]")
    with pytest.raises(PermanentError, match=r"tokenizer\.json"):
        registry.register(made)


@pytest.mark.usefixtures("weights")
def test_a_changed_large_file_in_a_fetched_package_is_repaired(registry, model, tmp_path):
    """What was changed on this machine is brought back, as with every other file."""
    version = registry.register(packed(tmp_path / "made", model, large=large(tmp_path)))
    registry.fetch(version, tmp_path / "fetched")
    tokens = tmp_path / "fetched" / "weights" / "tokens" / "tokenizer.json"
    tokens.unlink()
    tokens.write_text("[]")
    registry.fetch(version, tmp_path / "fetched")
    assert tokens.read_text() == "{}"
