"""The lab's Triton and a cluster's pods serve the same bytes: one version of the registry, by two ways."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from runtimes.kubernetes import manifests, pods
from runtimes.kubernetes.served import Package, Served
from runtimes.triton import Triton, repository
from turnout.cli import package as command
from turnout.domain.assignment import Assignment
from turnout.domain.contract import Contract, SameAnswer, Tensor
from turnout.domain.errors import InvalidInputError, NotFoundError, PermanentError
from turnout.domain.package import PackageManifest, PackageVersion
from turnout.domain.pools import Pool
from turnout.domain.server import ServerSpec, ServerStatus
from turnout.domain.targets import TargetRuntime
from turnout.fabric import environments
from turnout.fabric.registry import external, files
from turnout.fabric.registry.packages import MlflowPackages
from turnout.settings import VARIABLE, Settings

ATTEMPT = "cancer-1"


class Recording:
    """Where servers run; only what the one was to be started as is kept."""

    def __init__(self) -> None:
        """Nothing was started yet."""
        self.specs: list[ServerSpec] = []

    def ensure(self, spec: ServerSpec, **_within: float) -> ServerStatus:
        """Keep it."""
        self.specs.append(spec)
        return ServerStatus(name=spec.name, state="ready")

    def status(self, name: str) -> ServerStatus:
        """Nothing runs."""
        return ServerStatus(name=name, state="unknown")


@pytest.fixture
def made(model, tmp_path) -> Path:
    """A package as the phase makes it for Triton, with large files beside the repository."""
    tensors = (Tensor(name="x", datatype="FP32", shape=(-1, 4)),)
    contract = Contract(
        model=model, wire="v2", inputs=tensors, outputs=tensors, same_answer=SameAnswer(kind="regression")
    )
    root = tmp_path / "made"
    root.mkdir()
    (tmp_path / "model.onnx").write_bytes(bytes(range(256)) * 100)
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "table.bin").write_bytes(b"\x07" * 50_000)
    config = repository.write_onnx(tmp_path / "model.onnx", contract, root)
    kept = external.describe(model, "pvc://models/large", directory="tables", revision="1", volume=tmp_path)
    manifest = PackageManifest(
        model=model, runtime="triton", files=files.describe(root), runtime_config=config,
        contract=contract.model_dump(mode="json"), source={}, external=(kept,),
    )  # fmt: skip
    files.write(root, manifest)
    return root


@pytest.fixture
def in_force(registry, tmp_path, monkeypatch):
    """The settings that the command reads, and the registry that it asks."""
    paths = dict.fromkeys(("manifests", "contracts", "pools", "owners"), tmp_path)
    settings = Settings(state=tmp_path / "state", **paths)
    (tmp_path / "state").mkdir()
    settings.write(tmp_path / "turnout.yaml")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "turnout.yaml"))
    monkeypatch.setattr("turnout.wiring.migrating.Wiring.packages", registry)


def fetched(model, directory, *options):
    """What the command says; its error is raised."""
    result = CliRunner().invoke(command.command, ["fetch", model, "--to", str(directory), *options])
    if result.exception:
        raise result.exception
    return result.output


def lab_serves(registry, version: PackageVersion, state, directory: Path) -> dict[str, str]:
    """The words of the command line of the lab's tritonserver, started as the deploy phase starts it."""
    manifest = registry.fetch(version, directory)
    servers = Recording()
    triton = Triton(state, servers, environment=environments.ensure)
    triton.deploy(ATTEMPT, Contract.model_validate(manifest.contract), directory)
    return words(servers.specs[0].command[1:])


def cluster_serves(manifest: PackageManifest) -> tuple[dict[str, str], str, dict]:
    """The words of the pods' command line, where they mount the package, and what they mount."""
    served = Served(
        attempt=ATTEMPT, pool=Pool(name="cpu", cpu=8, memory_gib=32, nodes=2), image="triton:1",
        package=Package(claim=ATTEMPT), runtime_config=manifest.runtime_config,
        assignment=Assignment(
            model=manifest.model, namespace="models", runtime=TargetRuntime.TRITON, pool="cpu", replicas=2,
            hosts=1, accelerators=0, cpu=1, memory_gib=1,
        ),
    )  # fmt: skip
    (deployment, *_) = manifests(served)
    spec = deployment["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    (volume,) = [one for one in spec["volumes"] if one["name"] == "package"]
    (mount,) = [one for one in container["volumeMounts"] if one["name"] == "package"]
    assert "subPath" not in mount
    assert mount["readOnly"]
    return words(container["args"]), mount["mountPath"], volume


def words(arguments) -> dict[str, str]:
    """Options by their names."""
    return {name: value for name, _, value in (one.partition("=") for one in arguments)}


@pytest.mark.usefixtures("in_force")
def test_a_cluster_mounts_byte_for_byte_what_the_labs_triton_serves(registry, model, made, state, tmp_path):
    """File by file, digest by digest, from the folder that each server's own command line names."""
    version = registry.register(made)
    registry.mark(model, "candidate", version.version)
    lab = lab_serves(registry, version, state, tmp_path / "deployment")

    volume = tmp_path / "volume"  # what the claim of the pods holds
    assert version.digest in fetched(model, volume, "--alias", "candidate")
    manifest = files.check(volume, whole=True)
    cluster, mounted_at, claim = cluster_serves(manifest)
    assert claim["persistentVolumeClaim"] == {"claimName": ATTEMPT, "readOnly": True}
    assert mounted_at == pods.PACKAGE

    of_lab = files.describe(Path(lab["--model-repository"]))
    inside = Path(cluster["--model-repository"]).relative_to(mounted_at)
    assert files.describe(volume / inside) == of_lab
    assert {f"repository/{f.path}": f.sha256 for f in of_lab} == {f.path: f.sha256 for f in manifest.files}
    assert len(of_lab) == 2
    assert files.describe(volume) == files.describe(tmp_path / "deployment")  # the large files, too
    for word in ("--load-model", "--model-control-mode", "--disable-auto-complete-config"):
        assert cluster[word] == lab[word]


@pytest.mark.usefixtures("in_force")
def test_a_changed_byte_is_not_mounted(registry, model, made, tmp_path):
    """A volume whose package was changed is brought back; one whose large files changed gets none."""
    version = registry.register(made)
    volume = tmp_path / "volume"
    fetched(model, volume, "--version", version.version)
    file = volume / "repository" / model / "1" / "model.onnx"
    file.write_bytes(file.read_bytes()[:-1] + b"\x00")
    fetched(model, volume, "--version", version.version)
    assert files.sha256(file) == files.sha256(made / "repository" / model / "1" / "model.onnx")


@pytest.mark.usefixtures("in_force")
def test_only_packages_are_replaced(registry, model, made, tmp_path):
    """A misspelled folder loses nothing, and a version that is not there is said."""
    registry.register(made)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis").write_text("years of work")
    with pytest.raises(InvalidInputError, match="other files"):
        fetched(model, tmp_path / "home", "--version", "1")
    assert (tmp_path / "home" / "thesis").exists()
    with pytest.raises(NotFoundError, match="no version 7"):
        fetched(model, tmp_path / "volume", "--version", "7")
    with pytest.raises(NotFoundError, match="nothing is serving"):
        fetched(model, tmp_path / "volume")


def test_a_pod_without_settings_fetches_the_package_that_was_proved(mlflow_url, model, made, tmp_path):
    """By the registry's address alone; another digest than the one that it was told is refused."""
    version = MlflowPackages(mlflow_url, volume=tmp_path).register(made)
    there = ("--version", version.version, "--mlflow", mlflow_url, "--models", str(tmp_path))
    fetched(model, tmp_path / "volume", *there, "--digest", version.digest)
    assert files.digest(files.check(tmp_path / "volume", whole=True)) == version.digest
    with pytest.raises(PermanentError, match="not the one that was proved"):
        fetched(model, tmp_path / "other", *there, "--digest", "0" * 64)
    assert not (tmp_path / "other").exists()
