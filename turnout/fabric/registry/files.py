"""A package as files: its manifest `turnout-package.json` at the root, and a digest for every other file."""

import hashlib
import json
from pathlib import Path

from pydantic import ValidationError

from turnout.domain.errors import PermanentError
from turnout.domain.evidence import digest_of
from turnout.domain.package import PackageFile, PackageManifest

MANIFEST = "turnout-package.json"


def sha256(file: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def sha256_of_model(path: Path) -> str:
    """Digest of a model: of its file, or of every file in its folder."""
    return digest_of([f.model_dump() for f in describe(path)]) if path.is_dir() else sha256(path)


def describe(root: Path) -> tuple[PackageFile, ...]:
    """Every file below a package's root with its digest, but for the manifest."""
    files = sorted(f for f in root.rglob("*") if f.is_file() and f != root / MANIFEST)
    return tuple(
        PackageFile(path=f.relative_to(root).as_posix(), size_bytes=f.stat().st_size, sha256=sha256(f))
        for f in files
    )


def digest(manifest: PackageManifest) -> str:
    """Digest of a package: of its manifest, which holds those of its files.

    A package without external files has the digest that it had before there were any.
    """
    return digest_of(manifest.model_dump(mode="json", exclude=None if manifest.external else {"external"}))


def write(root: Path, manifest: PackageManifest) -> None:
    """Write a package's manifest."""
    (root / MANIFEST).write_text(json.dumps(manifest.model_dump(mode="json"), indent=2, sort_keys=True))


def read(root: Path) -> PackageManifest:
    """Read a package's manifest; its files are not looked at.

    Raises:
        PermanentError: There is none, or it cannot be read.
    """
    try:
        return PackageManifest.model_validate_json((root / MANIFEST).read_text())
    except (OSError, ValidationError) as error:
        raise _broken(root, f"no readable {MANIFEST}") from error


def check(root: Path, *, whole: bool = False) -> PackageManifest:
    """Read a package's manifest and hold every file against it.

    Args:
        root: The package.
        whole: Whether its external files have been brought in; else none of them may lie there.

    Raises:
        PermanentError: There is no manifest, or a file is missing, changed or not mentioned.
    """
    manifest = read(root)
    brought = [f for external in manifest.external for f in external.inside] if whole else []
    promised = {f.path: f for f in (*manifest.files, *brought)}
    found = {f.path: f for f in describe(root)}
    wrong = sorted(path for path in promised.keys() | found.keys() if promised.get(path) != found.get(path))
    if wrong:
        raise _broken(root, f"{wrong[0]} is not what the manifest says")
    return manifest


def _broken(root: Path, observed: str) -> PermanentError:
    return PermanentError(
        f"package in {root}",
        observed=observed,
        limit="every file with the digest in the manifest",
        remedy="Package the model again.",
    )
