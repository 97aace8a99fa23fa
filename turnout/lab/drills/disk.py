"""A small disk below the lab's state directory, which can be filled. Takes root and mount(8)."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

SIZE = "1g"
"""A lab with a few migrations needs less than half of it."""
_FILLER = "filler"
_STEP_BYTES = 4 * 2**20


def available() -> bool:
    """Whether a file system can be mounted here."""
    return os.geteuid() == 0 and shutil.which("mount") is not None


@contextlib.contextmanager
def small(folder: Path) -> Iterator[bool]:
    """Mount a small file system at a folder while the block lasts; says whether it could."""
    folder.mkdir(parents=True, exist_ok=True)
    if not available():
        yield False
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)], check=True)
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[int]:
    """Take every block while the block lasts; gives how many bytes that were."""
    filler = folder / _FILLER
    try:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(_STEP_BYTES)):
                pass
        with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        yield filler.stat().st_size
    finally:
        filler.unlink(missing_ok=True)
