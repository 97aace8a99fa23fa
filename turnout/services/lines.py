"""Files of JSON objects, one a line, that one process appends to and others read at any time."""

import errno
import json
import os
from pathlib import Path
from typing import Any


class Lines:
    """Appends lines; one that a killed writer left half written is ended first, so that the next is whole."""

    def __init__(self) -> None:
        """Begin with no file checked."""
        self._whole: set[Path] = set()

    def append(self, file: Path, document: dict[str, Any]) -> None:
        """Append one object.

        Raises:
            OSError: The disk is full or not writable.
        """
        self.append_encoded(file, json.dumps(document, ensure_ascii=False).encode() + b"\n")

    def append_encoded(self, file: Path, lines: bytes) -> None:
        """Append whole lines, each ended by a newline, in one write.

        Raises:
            OSError: The disk is full or not writable; a part of the lines may have been written.
        """
        if file not in self._whole:
            file.parent.mkdir(parents=True, exist_ok=True)
            lines = lines if _whole(file) else b"\n" + lines
        with file.open("ab", buffering=0) as out:
            self._whole.discard(file)
            if out.write(lines) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
            self._whole.add(file)


def _whole(file: Path) -> bool:
    """Whether a file ends with a whole line (an empty or missing one does)."""
    if not file.exists() or not file.stat().st_size:
        return True
    with file.open("rb") as source:
        source.seek(-1, 2)
        return source.read() == b"\n"
