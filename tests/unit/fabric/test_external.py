"""Large files of a package, without a registry."""

import pytest
from pydantic import ValidationError

from turnout.domain.errors import InvalidInputError, UnsupportedError
from turnout.domain.package import ExternalFiles, PackageFile, PackageManifest
from turnout.fabric.registry import external, files


def described(tmp_path, location: str) -> ExternalFiles:
    """What lies at a location."""
    return external.describe("llm", location, directory="weights", revision="1", volume=tmp_path)


def test_a_folder_is_described_by_its_files(tmp_path):
    """Paths below the location, sizes and digests; below the package they lie in the named folder."""
    (tmp_path / "llm").mkdir()
    (tmp_path / "llm" / "a.bin").write_bytes(b"abc")
    found = described(tmp_path, f"file://{tmp_path}/llm")
    assert [(f.path, f.size_bytes) for f in found.files] == [("a.bin", 3)]
    assert [f.path for f in found.inside] == ["weights/a.bin"]


def test_nothing_there_is_said(tmp_path):
    """A missing or empty folder is an error that names it, not a package without weights."""
    (tmp_path / "empty").mkdir()
    for location in ("pvc://models/empty", "pvc://models/none"):
        with pytest.raises(InvalidInputError, match=location):
            described(tmp_path, location)


def test_what_cannot_be_read_from_here_is_refused(tmp_path):
    """An object store is not silently left out."""
    with pytest.raises(UnsupportedError, match="s3://bucket"):
        described(tmp_path, "s3://bucket/llm")


@pytest.mark.parametrize(
    ("directory", "path"), [("../out", "a"), ("weights", "../../a"), ("/etc", "a"), ("", "a")]
)
def test_no_file_leads_out_of_the_package(directory, path):
    """A manifest cannot write anywhere else on the machine that fetches it."""
    file = PackageFile(path=path, size_bytes=1, sha256="0" * 64)
    with pytest.raises(ValidationError, match="below the package's root"):
        ExternalFiles(directory=directory, location="file:///x", revision="1", files=(file,))


def test_files_are_copied_where_they_cannot_be_linked(tmp_path, monkeypatch):
    """Another file system, or one without hard links, costs room and nothing else."""
    (tmp_path / "llm").mkdir()
    (tmp_path / "llm" / "a.bin").write_bytes(b"abc")

    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("turnout.fabric.registry.external.os.link", refuse)
    external.bring(described(tmp_path, "pvc://models/llm"), tmp_path / "whole", tmp_path)
    copied = tmp_path / "whole" / "weights" / "a.bin"
    assert copied.read_bytes() == b"abc"
    assert copied.stat().st_nlink == 1


def test_a_package_without_large_files_keeps_its_digest():
    """Versions that were registered before there were any are still recognised."""
    manifest = PackageManifest(
        model="m", runtime="triton", files=(), runtime_config={}, contract={}, source={}
    )
    assert files.digest(manifest) == "3d4a064a0530afc089a8d8b29d51aade082fe248a56a9529d0cbc51cbb76505d"
