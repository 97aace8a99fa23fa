"""A version in the registry that holds all that a runtime needs: the same in the lab and on the cluster."""

from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict


class PackageFile(BaseModel):
    """One file of a package: path below the package's root, size in bytes, SHA-256 in hexadecimal."""

    model_config = ConfigDict(frozen=True)

    path: str
    size_bytes: int
    sha256: str


class PackageManifest(BaseModel):
    """What a package says of itself (`turnout-package.json` at its root, itself not among `files`).

    Attributes:
        model: The model.
        runtime: Runtime that it is laid out for.
        files: Every file with its digest.
        runtime_config: What the runtime is started with.
        contract: The contract, as data.
        source: Where the model came from: legacy storage and digest of the model file.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    runtime: str
    files: tuple[PackageFile, ...]
    runtime_config: dict[str, Any]
    contract: dict[str, Any]
    source: dict[str, Any]


class PackageVersion(BaseModel):
    """A registered package: model, version in the registry, digest of its manifest."""

    model_config = ConfigDict(frozen=True)

    model: str
    version: str
    digest: str


class PackageRegistry(Protocol):
    """Where packages are kept. The MLflow one and the in-memory one pass the same tests."""

    def register(self, directory: Path) -> PackageVersion:
        """Register the package in a directory; the same digest again returns the version that is there."""

    def fetch(self, package: PackageVersion, directory: Path) -> PackageManifest:
        """Bring a version into a directory and check every digest.

        Raises:
            PermanentError: A file does not match its digest; nothing is left in the directory.
        """

    def mark(self, model: str, alias: str, version: str | None) -> None:
        """Set what an alias (serving, candidate, previous) names; None removes it."""

    def marked(self, model: str, alias: str) -> PackageVersion | None:
        """Return what an alias names."""
