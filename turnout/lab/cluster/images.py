"""Images for the node without a registry and without a Docker engine."""

import hashlib
import io
import json
import platform
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path

USER = 65532
"""Whom the programs run as; images of distributions leave this number to such."""

PLACE = "usr/local/bin"
"""Where an image has its programs."""

_LIBRARY = re.compile(r"(/\S+) \(0x")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def reference(program: Path, *beside: Path) -> str:
    """Reference of the image of a program and of what lies beside it: other ones have another."""
    made_from = hashlib.sha256()
    for each in (program, *beside):
        made_from.update(each.read_bytes())
    return f"localhost/{program.name}:{made_from.hexdigest()[:12]}"


def of_program(program: Path, archive: Path, *beside: Path) -> None:
    """Write an image that holds one program, and the shared libraries that it needs, and nothing else.

    Args:
        program: The program, which the image runs; it lies in the image's PATH under its own name.
        archive: The archive to write, as `docker save` writes it.
        beside: Programs that it starts; they lie beside it, under their own names.
    """
    programs = (program, *beside)
    with tempfile.TemporaryFile() as layer:
        with tarfile.open(fileobj=layer, mode="w") as tar:
            tar.addfile(_folder("tmp"))
            for each in programs:
                _add(tar, each, f"{PLACE}/{each.name}")
            for library in dict.fromkeys(library for each in programs for library in _libraries(each)):
                _add(tar, library.resolve(), str(library).lstrip("/"))
        layer.seek(0)
        digest = hashlib.file_digest(layer, "sha256").hexdigest()
        config = json.dumps({
            "architecture": _ARCHITECTURES[platform.machine()],
            "os": "linux",
            "config": {"Env": [f"PATH=/{PLACE}"], "Entrypoint": [program.name], "User": f"{USER}:{USER}"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }).encode()  # fmt: skip
        tags = [reference(program, *beside)]
        manifest = [{"Config": "config.json", "RepoTags": tags, "Layers": ["layer.tar"]}]
        with tarfile.open(archive, "w") as tar:
            _put(tar, "manifest.json", json.dumps(manifest).encode())
            _put(tar, "config.json", config)
            info = tarfile.TarInfo("layer.tar")
            info.size = layer.seek(0, io.SEEK_END)
            layer.seek(0)
            tar.addfile(info, layer)


def _libraries(program: Path) -> list[Path]:
    """Shared libraries that a program is linked with, its loader included; none for a static one."""
    told = subprocess.run(["ldd", program], check=False, capture_output=True, text=True)
    return [Path(path) for path in _LIBRARY.findall(told.stdout)] if told.returncode == 0 else []


def _folder(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, 0o1777
    return info


def _add(tar: tarfile.TarFile, file: Path, name: str) -> None:
    """Add a file with nothing of this machine but its bytes."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = file.stat().st_size, 0o755
    with file.open("rb") as source:
        tar.addfile(info, source)


def _put(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))
