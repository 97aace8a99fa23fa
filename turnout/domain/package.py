"""A version in the registry that holds all that a runtime needs: the same in the lab and on the cluster."""

from pathlib import Path, PurePosixPath
from typing import Any, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class PackageFile(BaseModel):
    """One file of a package: path below the package's root, size in bytes, SHA-256 in hexadecimal."""

    model_config = ConfigDict(frozen=True)

    path: str
    size_bytes: int
    sha256: str


class ExternalFiles(BaseModel):
    """Large files that belong to a package and are not uploaded with it: registered by place and digest.

    Attributes:
        directory: Folder below the package's root where the runtime finds them ("weights").
        location: Where they lie: `file:///PATH` or `pvc://CLAIM/PATH`, a folder.
        revision: What that place calls this state of them, a commit say; the digests decide.
        files: Each of them, its path below `directory` and below `location` alike.
    """

    model_config = ConfigDict(frozen=True)

    directory: str
    location: str
    revision: str
    files: tuple[PackageFile, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _stays_inside(self) -> Self:
        for path in (PurePosixPath(self.directory), *(PurePosixPath(f.path) for f in self.files)):
            if path.is_absolute() or ".." in path.parts or path == PurePosixPath():
                raise ValueError(f"{str(path)!r} does not lie below the package's root")
        return self

    @property
    def inside(self) -> tuple[PackageFile, ...]:
        """The files as they lie in the whole package: paths below its root."""
        return tuple(f.model_copy(update={"path": f"{self.directory}/{f.path}"}) for f in self.files)


class PackageManifest(BaseModel):
    """What a package says of itself (`turnout-package.json` at its root, itself not among `files`).

    Attributes:
        model: The model.
        runtime: Runtime that it is laid out for.
        files: Every uploaded file with its digest.
        runtime_config: What the runtime is started with.
        contract: The contract, as data.
        source: Where the model came from: legacy storage and digest of the model file.
        external: Large files that are brought in from where they lie when the package is fetched.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    runtime: str
    files: tuple[PackageFile, ...]
    runtime_config: dict[str, Any]
    contract: dict[str, Any]
    source: dict[str, Any]
    external: tuple[ExternalFiles, ...] = ()


class PackageVersion(BaseModel):
    """A registered package: model, version in the registry, digest of its manifest."""

    model_config = ConfigDict(frozen=True)

    model: str
    version: str
    digest: str


class PackageRegistry(Protocol):
    """Where packages are kept. The MLflow one and the in-memory one pass the same tests."""

    def register(self, directory: Path) -> PackageVersion:
        """Register the package in a directory; the same digest again returns the version that is there.

        Its external files stay where they lie, and have to be there with the digests that it names.
        """

    def fetch(self, package: PackageVersion, directory: Path) -> PackageManifest:
        """Bring a version into a directory, its external files with it, and check every digest.

        Raises:
            PermanentError: A file does not match its digest; nothing is left in the directory.
        """

    def find(self, model: str, version: str) -> PackageVersion | None:
        """Return a version with its digest; None where there is none."""

    def mark(self, model: str, alias: str, version: str | None) -> None:
        """Set what an alias (serving, candidate, previous) names; None removes it."""

    def marked(self, model: str, alias: str) -> PackageVersion | None:
        """Return what an alias names."""
