"""A package's large files: left where they lie, known by their digests, brought in when it is fetched.

A gigabyte through MLflow's proxy takes minutes and many times its size in memory, so weights are registered
by location, revision and digests. Called by `turnout.fabric.registry.packages`; `describe` by whoever makes
a package.
"""

import os
import shutil
from pathlib import Path

from turnout.domain.errors import InvalidInputError, PermanentError
from turnout.domain.package import ExternalFiles, PackageFile
from turnout.fabric import storage
from turnout.fabric.registry import files


def describe(subject: str, location: str, *, directory: str, revision: str, volume: Path) -> ExternalFiles:
    """Every file below a location, with its digest.

    Args:
        subject: The model, for errors.
        location: `file:///PATH` or `pvc://CLAIM/PATH`, a folder.
        directory: Folder below the package's root where the runtime is to find the files.
        revision: What the location calls this state of them.
        volume: Where the claim is mounted.

    Raises:
        InvalidInputError: There is no such folder, or nothing in it.
        UnsupportedError: The location cannot be read from here.
    """
    found = files.describe(_folder(subject, location, volume))
    if not found:
        raise _nothing(subject, location, "an empty folder")
    return ExternalFiles(directory=directory, location=location, revision=revision, files=found)


def check(external: ExternalFiles, volume: Path) -> None:
    """See that the files lie where they are said to, with the digests that are said.

    Raises:
        PermanentError: One is missing or has changed.
        UnsupportedError: The location cannot be read from here.
    """
    folder = _folder(external.location, external.location, volume)
    for file in external.files:
        _same(external, file, folder / file.path)


def bring(external: ExternalFiles, root: Path, volume: Path) -> None:
    """Link the files into a package, or copy them from another file system, and check what is there then.

    Raises:
        PermanentError: One is missing or has changed.
        UnsupportedError: The location cannot be read from here.
    """
    folder = _folder(external.location, external.location, volume)
    for file, inside in zip(external.files, external.inside, strict=True):
        target = root / inside.path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            _link(folder / file.path, target)
        except FileNotFoundError as error:
            raise _differs(external, file, "is missing") from error
        _same(external, file, target)


def _link(source: Path, target: Path) -> None:
    """A second name of the same content: it stays when the first is replaced or removed."""
    source = source.resolve(strict=True)  # caches of model hubs hold links
    try:
        os.link(source, target)
    except OSError:  # another file system, one without hard links, or somebody else's file
        shutil.copyfile(source, target)


def _folder(subject: str, location: str, volume: Path) -> Path:
    folder = storage.resolve(subject, location, volume)
    if not folder.is_dir():
        raise _nothing(subject, location, "no such folder")
    return folder


def _same(external: ExternalFiles, wanted: PackageFile, found: Path) -> None:
    if not found.is_file():
        raise _differs(external, wanted, "is missing")
    if found.stat().st_size != wanted.size_bytes:  # a cut-off file is told without reading gigabytes
        raise _differs(external, wanted, f"has {found.stat().st_size} bytes instead of {wanted.size_bytes}")
    if files.sha256(found) != wanted.sha256:
        raise _differs(external, wanted, "has another digest")


def _differs(external: ExternalFiles, file: PackageFile, how: str) -> PermanentError:
    return PermanentError(
        f"{file.path} at {external.location}",
        observed=f"it {how}",
        limit=f"revision {external.revision}, sha256 {file.sha256[:12]}",
        remedy="Bring that revision back, or package the model again from what is there now.",
    )


def _nothing(subject: str, location: str, observed: str) -> InvalidInputError:
    return InvalidInputError(
        f"files of {subject}",
        observed=f"{observed} at {location}",
        limit="a folder with the files",
        remedy="Check the location, and that its volume is mounted here.",
    )
