"""The files of the routers' access logs: which there are, which one is which, and what is new in them.

A model's log is `MODEL.jsonl`, or `MODEL.PROXY.jsonl` for each of several proxies of one route; a part that
was put aside has a number after that. A file goes by its inode and its first line, which stay when it is
renamed. An inode alone may be given to another file; a line alone begins two files where it is written again.
"""

import contextlib
import hashlib
import os
import re
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

LARGEST_READ_BYTES = 16 * 1024 * 1024

_NAME = re.compile(r"(?P<model>[a-z0-9-]+)(?:\.(?P<proxy>[a-z0-9-]+))?\.jsonl(?:\.(?P<number>[0-9]+))?")
_LONGEST_LINE_BYTES = 64 * 1024
_UNSURE_SECONDS = 2.0
"""A folder that changed so lately may have changed again within one tick of the file system's clock."""
_RELIST_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file of a model's log.

    Attributes:
        path: Where it is.
        proxy: The proxy that writes it; empty for the only one.
        number: Of a part that was put aside, counting up; None for the one that is written to.
    """

    path: Path
    proxy: str = ""
    number: int | None = None


@dataclass(slots=True)
class _Known:
    inode: int
    size_bytes: int
    identity: str | None


class AccessFiles:
    """The folder of access logs, listed anew only when something in it was created, renamed or deleted.

    Args:
        folder: The folder; it need not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        """Begin with nothing listed."""
        self._folder = folder
        self._changed_ns = -1
        self._listed_at = 0.0
        self._files: dict[str, tuple[LogFile, ...]] = {}
        self._known: dict[Path, _Known] = {}

    def of(self, model: str) -> tuple[LogFile, ...]:
        """The files of a model's log: for each proxy the parts in their order, the open one last."""
        try:
            changed_ns = self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            return ()
        if changed_ns != self._changed_ns or self._unsure(changed_ns):
            self._list(changed_ns)
        return self._files.get(model, ())

    def identity(self, file: LogFile, status: os.stat_result) -> str | None:
        """What a file goes by; None before its first line is whole."""
        known = self._known.get(file.path)
        same = known and known.inode == status.st_ino and known.size_bytes <= status.st_size
        if known and same and known.identity:
            known.size_bytes = status.st_size
            return known.identity
        identity = _identity(file)
        self._known[file.path] = _Known(status.st_ino, status.st_size, identity)
        return identity

    def forget(self) -> None:
        """List anew at the next question: a file was renamed or deleted by the caller."""
        self._changed_ns = -1

    def _unsure(self, changed_ns: int) -> bool:
        lately = abs(time.time() - changed_ns / 1e9) < _UNSURE_SECONDS
        return lately and time.monotonic() - self._listed_at > _RELIST_SECONDS

    def _list(self, changed_ns: int) -> None:
        if changed_ns != self._changed_ns:
            self._known.clear()
        found = defaultdict(list)
        for path in self._folder.iterdir():
            if match := _NAME.fullmatch(path.name):
                number = int(match["number"]) if match["number"] else None
                found[match["model"]].append(LogFile(path, match["proxy"] or "", number))
        order = lambda one: (one.proxy, one.number is None, one.number or 0)  # noqa: E731
        self._files = {model: tuple(sorted(files, key=order)) for model, files in found.items()}
        self._changed_ns, self._listed_at = changed_ns, time.monotonic()


def whole_lines(path: Path, offset: int) -> tuple[list[bytes], int]:
    """The whole lines from an offset on, and the offset after them; bounded, so a caller may ask again."""
    with path.open("rb", buffering=0) as stream:
        stream.seek(offset)
        text = stream.read(LARGEST_READ_BYTES)
    end = text.rfind(b"\n") + 1
    return text[:end].splitlines(), offset + end


def line_before(path: Path, size_bytes: int, back_bytes: int) -> int:
    """Where a line begins, at least so many bytes before the end of a file; 0 where it is not as large."""
    with path.open("rb") as stream:
        start = max(0, size_bytes - back_bytes - _LONGEST_LINE_BYTES)
        stream.seek(start)
        text = stream.read(max(0, size_bytes - back_bytes - start))
    return start + text.rfind(b"\n") + 1


def put_aside(files: tuple[LogFile, ...], file: LogFile) -> None:
    """Rename the open file of a log; its writer goes on in it until it reopens its log."""
    number = max((one.number or 0 for one in files if one.proxy == file.proxy), default=0) + 1
    file.path.rename(file.path.with_name(f"{file.path.name}.{number:06d}"))


def _identity(file: LogFile) -> str | None:
    with contextlib.suppress(FileNotFoundError), file.path.open("rb", buffering=0) as stream:
        line, newline, _ = stream.read(_LONGEST_LINE_BYTES).partition(b"\n")
        if newline:
            key = f"{os.fstat(stream.fileno()).st_ino} {file.proxy}".encode()[:64]
            return hashlib.blake2b(line, digest_size=8, key=key).hexdigest()
    return None
