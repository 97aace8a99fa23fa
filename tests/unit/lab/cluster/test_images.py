import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

from turnout.lab.cluster import images


def members(archive: Path) -> dict[str, bytes]:
    """Files of an archive."""
    with tarfile.open(archive) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar if info.isfile()}


def test_an_image_holds_a_program_that_can_run_in_it(tmp_path: Path):
    """The layer is the one that the configuration names; it has the program and the libraries it needs."""
    program = Path(shutil.which("ls"))
    images.of_program(program, tmp_path / "image.tar")

    found = members(tmp_path / "image.tar")
    (manifest,) = json.loads(found["manifest.json"])
    config = json.loads(found[manifest["Config"]])
    layer = found[manifest["Layers"][0]]
    assert manifest["RepoTags"] == [images.reference(program)]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert config["config"]["Entrypoint"] == ["ls"]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        names = tar.getnames()
        assert tar.extractfile("usr/local/bin/ls").read() == program.read_bytes()
    assert any(name.startswith("lib64/ld-linux") or "ld-linux" in name for name in names)
    assert any("libc.so" in name for name in names)


def test_another_program_is_another_image(tmp_path: Path):
    """A reference never names two contents: a node that has one does not need it again."""
    (tmp_path / "a").write_bytes(b"1")
    one = images.reference(tmp_path / "a")
    (tmp_path / "a").write_bytes(b"2")

    assert images.reference(tmp_path / "a") != one


def test_what_a_program_starts_lies_beside_it_and_is_of_its_images_name(tmp_path: Path):
    """The image still runs the first; with another program beside it, it is another image."""
    program, other = Path(shutil.which("ls")), tmp_path / "other"
    other.write_bytes(b"1")
    images.of_program(program, tmp_path / "image.tar", other)

    found = members(tmp_path / "image.tar")
    (manifest,) = json.loads(found["manifest.json"])
    assert manifest["RepoTags"] == [images.reference(program, other)] != [images.reference(program)]
    assert json.loads(found[manifest["Config"]])["config"]["Entrypoint"] == ["ls"]
    with tarfile.open(fileobj=io.BytesIO(found[manifest["Layers"][0]])) as tar:
        assert tar.extractfile(f"{images.PLACE}/other").read() == b"1"
