"""Packages: model versions in MLflow's registry, each with its files and their digests.

A version belongs to a run that holds the files as artifacts; its tag
`turnout.digest` is the manifest's digest. Large files are not uploaded (`turnout.fabric.registry.external`).
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from turnout.domain.errors import NotFoundError, PermanentError
from turnout.domain.package import PackageManifest, PackageVersion
from turnout.fabric.registry import external, files
from turnout.fabric.registry.connection import Connection, absent

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "turnout-packages"
FOLDER = "package"
DIGEST = "turnout.digest"


class MemoryPackages:
    """Packages below one directory of this machine, for tests.

    Args:
        root: The directory.
        volume: Where the claim of storage URIs is mounted.
    """

    def __init__(self, root: Path, *, volume: Path) -> None:
        """Hold nothing yet."""
        self._root = root
        self._volume = volume
        self._versions: dict[str, list[PackageVersion]] = {}
        self._aliases: dict[tuple[str, str], str] = {}

    def register(self, directory: Path) -> PackageVersion:
        """Register the package in a directory; the same digest again returns the version that is there."""
        manifest = _checked(directory, self._volume)
        versions = self._versions.setdefault(manifest.model, [])
        digest = files.digest(manifest)
        for known in versions:
            if known.digest == digest:
                return known
        made = PackageVersion(model=manifest.model, version=str(len(versions) + 1), digest=digest)
        shutil.copytree(directory, self._place(made))
        versions.append(made)
        return made

    def fetch(self, package: PackageVersion, directory: Path) -> PackageManifest:
        """Bring a version into a directory and check every digest."""
        if package not in self._versions.get(package.model, []):
            raise _unknown(package)
        return _bring(
            package, directory, lambda staged: shutil.copytree(self._place(package), staged), self._volume
        )

    def find(self, model: str, version: str) -> PackageVersion | None:
        """Return a version with its digest; None where there is none."""
        return next((v for v in self._versions.get(model, []) if v.version == version), None)

    def mark(self, model: str, alias: str, version: str | None) -> None:
        """Set what an alias names; None removes it."""
        if version is None:
            self._aliases.pop((model, alias), None)
        elif not any(v.version == version for v in self._versions.get(model, [])):
            raise _unknown(PackageVersion(model=model, version=version, digest=""))
        else:
            self._aliases[model, alias] = version

    def marked(self, model: str, alias: str) -> PackageVersion | None:
        """Return what an alias names."""
        version = self._aliases.get((model, alias))
        return next((v for v in self._versions.get(model, []) if v.version == version), None)

    def _place(self, package: PackageVersion) -> Path:
        return self._root / package.model / package.version


class MlflowPackages:
    """Packages in an MLflow server's registry.

    Args:
        url: URL of the server.
        volume: Where the claim of storage URIs is mounted.
    """

    def __init__(self, url: str, *, volume: Path) -> None:
        """Remember where it is; nothing is called yet."""
        self._mlflow = Connection(url)
        self._volume = volume

    def register(self, directory: Path) -> PackageVersion:
        """Register the package in a directory; the same digest again returns the version that is there.

        Raises:
            PermanentError: The directory holds no package, or not the files that its manifest promises.
            UnreachableError: MLflow does not answer.
        """
        manifest = _checked(directory, self._volume)
        digest = files.digest(manifest)
        with self._mlflow.client() as client:
            _ensure_model(client, manifest.model)
            known = client.search_model_versions(f"name = '{manifest.model}'")
            same = sorted(int(v.version) for v in known if v.tags.get(DIGEST) == digest)
            version = str(same[0]) if same else self._upload(client, manifest, digest, directory)
        return PackageVersion(model=manifest.model, version=version, digest=digest)

    def fetch(self, package: PackageVersion, directory: Path) -> PackageManifest:
        """Bring a version into a directory and check every digest; harmless when it is there.

        Raises:
            NotFoundError: No such version.
            PermanentError: A file does not match its digest; nothing is left in the directory.
            UnreachableError: MLflow does not answer.
        """
        with self._mlflow.client() as client:
            run_id = _run_of(client, package)
            return _bring(package, directory, lambda staged: self._download(run_id, staged), self._volume)

    def find(self, model: str, version: str) -> PackageVersion | None:
        """Return a version with its digest; None where there is none."""
        with self._mlflow.client() as client:
            found = _version(client, model, version)
        if found is None:
            return None
        return PackageVersion(model=model, version=str(found.version), digest=found.tags[DIGEST])

    def mark(self, model: str, alias: str, version: str | None) -> None:
        """Set what an alias (serving, candidate, previous) names; None removes it.

        Raises:
            NotFoundError: No such version.
        """
        with self._mlflow.client() as client:
            if version is None:
                client.delete_registered_model_alias(model, alias)
            elif _version(client, model, version) is None:
                raise _unknown(PackageVersion(model=model, version=version, digest=""))
            else:
                client.set_registered_model_alias(model, alias, version)

    def marked(self, model: str, alias: str) -> PackageVersion | None:
        """Return what an alias names."""
        with self._mlflow.client() as client:
            found = _or_none(lambda: client.get_model_version_by_alias(model, alias))
        if found is None:
            return None
        return PackageVersion(model=model, version=str(found.version), digest=found.tags[DIGEST])

    def _upload(self, client: "MlflowClient", manifest: PackageManifest, digest: str, directory: Path) -> str:
        experiment = self._mlflow.experiment(EXPERIMENT)
        run = client.create_run(experiment, run_name=f"{manifest.model} package", tags={DIGEST: digest})
        client.log_artifacts(run.info.run_id, str(directory), FOLDER)
        client.set_terminated(run.info.run_id)
        made = client.create_model_version(
            manifest.model,
            source=f"{run.info.artifact_uri}/{FOLDER}",
            run_id=run.info.run_id,
            tags={DIGEST: digest, "turnout.runtime": manifest.runtime},
        )
        return str(made.version)

    def _download(self, run_id: str, staged: Path) -> None:
        staged.mkdir()
        self._mlflow.download(run_id, FOLDER, staged.parent).replace(staged)


def _ensure_model(client: "MlflowClient", model: str) -> None:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 -- 4 s that `turnout rollback` has not

    try:
        client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _version(client: "MlflowClient", model: str, version: str) -> Any:
    return _or_none(lambda: client.get_model_version(model, version))


def _or_none(ask: Callable[[], Any]) -> Any:
    """What MLflow answers, or None where it says that there is no such thing."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    try:
        return ask()
    except MlflowException as error:
        if absent(error):
            return None
        raise


def _run_of(client: "MlflowClient", package: PackageVersion) -> str:
    found = _version(client, package.model, package.version)
    if found is None or found.tags.get(DIGEST) != package.digest:
        raise _unknown(package)
    return str(found.run_id)


def _checked(directory: Path, volume: Path) -> PackageManifest:
    """The manifest of a package that is to be registered, with every file held against it."""
    manifest = files.check(directory)
    for part in manifest.external:
        external.check(part, volume)
    return manifest


def _bring(
    package: PackageVersion, directory: Path, copy: Callable[[Path], object], volume: Path
) -> PackageManifest:
    """Bring a version beside the directory, check it, and only then move it into place."""
    if (there := _intact(package, directory)) is not None:
        return there
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".fetch-") as scratch:
        staged = Path(scratch) / "staged"
        copy(staged)
        manifest = files.check(staged)
        if files.digest(manifest) != package.digest:
            raise _changed(package)
        for part in manifest.external:
            external.bring(part, staged, volume)
        shutil.rmtree(directory, ignore_errors=True)
        staged.replace(directory)
    return manifest


def _intact(package: PackageVersion, directory: Path) -> PackageManifest | None:
    """The manifest of what is in the directory already, where it is this version unchanged."""
    try:
        manifest = files.check(directory, whole=True)
    except PermanentError:
        return None
    return manifest if files.digest(manifest) == package.digest else None


def _unknown(package: PackageVersion) -> NotFoundError:
    return NotFoundError(
        f"package {package.model} version {package.version}",
        observed="no such version with this digest",
        limit="a registered version",
        remedy="Package the model again.",
    )


def _changed(package: PackageVersion) -> PermanentError:
    return PermanentError(
        f"package {package.model} version {package.version}",
        observed="a manifest that does not match the registered digest",
        limit=f"digest {package.digest[:12]}",
        remedy="Its files were changed in the registry: find out by whom, and package the model again.",
    )
