"""One model's route as files, and the fence that ends an attempt (docs/adr/0001).

    routes/MODEL/
      current            symlink to `legacy` or `attempts/ATTEMPT`: what the router reads
      legacy/            route.json: everything on legacy
      attempts/ATTEMPT/  route.json of this attempt, and its two tickets, each used once:
        opening          symlink to this folder; renamed over `current`, it opens the attempt
        ending           symlink to `legacy`; renamed over `current`, it ends the attempt
        tombstone        blank and already allocated; the reason is written in place
      lock, poke

An attempt's life is what its tickets say, so each step of it is one rename or one unlink, and there is no
state between two of them: prepared (`opening` is there), live (`current` is it), ended (neither). A raise
writes only inside its attempt's folder, where nobody reads once `current` is elsewhere.
Knows nothing of Envoy: documents are bytes.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path

from turnout.domain.errors import TemporaryError
from turnout.fabric.router.naming import LEGACY
from turnout.fabric.router.refusals import occupied, require_live, tombstoned

CURRENT = "current"
DOCUMENT = "route.json"
_OPENING, _ENDING, _TOMBSTONE = "opening", "ending", "tombstone"
_BLANK = b" " * 8192
_POLL_SECONDS = 0.01


class Life(StrEnum):
    """Where an attempt stands."""

    UNKNOWN = "unknown"
    PREPARED = "prepared"
    LIVE = "live"
    ENDED = "ended"


class RouteDirectory:
    """The directory protocol of one model.

    Args:
        folder: The model's folder.
        lock_seconds: How long a writer waits for another one.
        step: Called with a word before each look at or change of the files; tests interleave writers with it.
    """

    def __init__(
        self, folder: Path, *, lock_seconds: float = 5.0, step: Callable[[str], None] = lambda _: None
    ) -> None:
        """Keep where the files are; nothing is touched."""
        self.folder = folder
        self._lock_seconds = lock_seconds
        self._step = step

    def found(self, document: bytes, files: Mapping[str, bytes]) -> bool:
        """Make the model's folder, all traffic on legacy; False when it is there already.

        Args:
            document: Legacy's route.
            files: Further files of the folder, by name.
        """
        if self.folder.exists():
            return False
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with _staging(self.folder.parent) as staged:
            (staged / "attempts").mkdir()
            (staged / LEGACY).mkdir()
            (staged / LEGACY / DOCUMENT).write_bytes(document)
            (staged / CURRENT).symlink_to(LEGACY)
            (staged / "poke.0").touch()
            for name, content in files.items():
                (staged / name).write_bytes(content)
            return _put(staged, self.folder)

    def live(self) -> str | None:
        """The live attempt, or None when legacy has everything."""
        self._step("read current")
        target = (self.folder / CURRENT).readlink()
        return None if target.name == LEGACY else target.name

    def document(self) -> bytes:
        """What the router reads now."""
        self._step("read document")
        return (self.folder / CURRENT / DOCUMENT).read_bytes()

    def legacy_document(self) -> bytes:
        """What the router reads while no attempt is live."""
        return (self.folder / LEGACY / DOCUMENT).read_bytes()

    def attempt(self, attempt: str) -> Path:
        """The folder of an attempt."""
        return self.folder / "attempts" / attempt

    def attempts(self) -> list[str]:
        """Every attempt that was prepared or ended, oldest first."""
        numbered = {one.name: one.name.rpartition("-")[2] for one in (self.folder / "attempts").iterdir()}
        # Whatever else somebody left there must not stop a rollback.
        names = [name for name in numbered if numbered[name].isdecimal() and not name.startswith(".")]
        return sorted(names, key=lambda name: int(numbered[name]))

    def life(self, attempt: str) -> Life:
        """Where an attempt stands. The order of the looks matters: `opening` never comes back."""
        self._step("look for folder")
        if not self.attempt(attempt).exists():
            return Life.UNKNOWN
        self._step("look for opening")
        if os.path.lexists(self.attempt(attempt) / _OPENING):
            return Life.PREPARED
        return Life.LIVE if self.live() == attempt else Life.ENDED

    def prepare(self, attempt: str, document: bytes, files: Mapping[str, bytes]) -> bool:
        """Stage everything that an attempt and its end will ever need; False when that was done before."""
        with _staging(self.folder / "attempts") as staged:
            (staged / DOCUMENT).write_bytes(document)
            (staged / _TOMBSTONE).write_bytes(_BLANK)
            (staged / _OPENING).symlink_to(Path("attempts") / attempt)
            (staged / _ENDING).symlink_to(LEGACY)
            for name, content in files.items():
                (staged / name).write_bytes(content)
            self._step("put attempt")
            return _put(staged, self.attempt(attempt))

    def rewrite(self, attempt: str, name: str, content: bytes) -> None:
        """Replace a further file of an attempt."""
        with self._locked():
            self._replace(self.attempt(attempt) / name, content)

    def open(self, attempt: str) -> None:
        """Make a prepared attempt the live one; does nothing when it is live already.

        Raises:
            RefusedError: It has ended, or another one is live.
            TemporaryError: Another writer is at work.
        """
        with self._locked():
            live = self.live()
            if live == attempt:
                return
            if live is not None:
                raise occupied(self.folder.name, live, attempt)
            try:
                self._step("rename opening")
                (self.attempt(attempt) / _OPENING).rename(self.folder / CURRENT)
            except FileNotFoundError as error:
                raise tombstoned(attempt, None) from error

    def change(self, attempt: str | None, decide: Callable[[bytes], bytes]) -> None:
        """Replace the document of the live attempt, or of legacy where none is live.

        Args:
            attempt: The attempt in whose name it is done.
            decide: Makes the new document of the one that stands; runs under the lock.

        Raises:
            RefusedError: The attempt is not the live one, or `decide` refuses.
            TemporaryError: Another writer is at work.
        """
        file = (self.attempt(attempt) if attempt else self.folder / LEGACY) / DOCUMENT
        with self._locked():
            self.require_live(attempt)
            self._step("read own document")
            content = decide(file.read_bytes())
            self._replace(file, content)
            self.poke()
            self.require_live(attempt)

    def require_live(self, attempt: str | None) -> None:
        """Refuse what is done in the name of anything but the live attempt.

        Raises:
            RefusedError: Another attempt is live, or none.
        """
        require_live(self.folder.name, self.live(), attempt)

    def end(self, attempt: str, epitaph: bytes) -> bool:
        """Send everything to legacy and end an attempt for good. Takes no lock and, once prepared, no disk.

        Args:
            attempt: The attempt.
            epitaph: Kept as the reason unless one was written before; cut to 8 KiB.

        Returns:
            Whether this very call took the traffic away.
        """
        if self.life(attempt) is Life.UNKNOWN:
            self._bury_unborn(attempt)
        self._step("unlink opening")
        (self.attempt(attempt) / _OPENING).unlink(missing_ok=True)
        ended = self._take_away(attempt)
        self._step("write tombstone")
        if ended or self.epitaph(attempt) is None:
            with contextlib.suppress(OSError):  # the traffic is what matters; the reason is a courtesy
                self._write_in_place(self.attempt(attempt) / _TOMBSTONE, epitaph)
        return ended

    def epitaph(self, attempt: str) -> bytes | None:
        """What was written on an attempt's tombstone, if anything."""
        try:
            return (self.attempt(attempt) / _TOMBSTONE).read_bytes().strip() or None
        except FileNotFoundError:
            return None

    def ended_seconds(self, attempt: str) -> float:
        """When the last ticket of an attempt was used, Unix time."""
        return self.attempt(attempt).stat().st_mtime

    def settle(self, attempt: str) -> None:
        """Bring an end to the disk itself, as far as that can be done: it should outlast a power failure."""
        for folder in (self.folder, self.attempt(attempt)):
            with contextlib.suppress(OSError):
                handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)

    def poke(self) -> None:
        """Make the router read again: a rename in the watched folder, which takes no disk."""
        one, other = self.folder / "poke.0", self.folder / "poke.1"
        for source, target in ((one, other), (other, one)):
            self._step("poke")
            with contextlib.suppress(FileNotFoundError):
                source.rename(target)
                return

    def _take_away(self, attempt: str) -> bool:
        """Use the ending ticket if the attempt is live. The ticket is used once, so this can hit no other."""
        if self.live() != attempt:
            return False
        try:
            self._step("rename ending")
            (self.attempt(attempt) / _ENDING).rename(self.folder / CURRENT)
        except FileNotFoundError:  # a rollback at the same moment used it
            return self._take_away_without_ticket(attempt)
        return True

    def _take_away_without_ticket(self, attempt: str) -> bool:
        """Where somebody removed the ticket by hand, the way back still has to work."""
        if self.live() != attempt:
            return False
        made = self.folder / f".{_ENDING}.{os.getpid()}"
        made.symlink_to(LEGACY)
        made.rename(self.folder / CURRENT)
        return True

    def _bury_unborn(self, attempt: str) -> None:
        """End an attempt that nobody prepared, so that nobody can."""
        with _staging(self.folder / "attempts") as staged:
            (staged / _TOMBSTONE).write_bytes(_BLANK)
            self._step("put tombstone")
            _put(staged, self.attempt(attempt))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time. The kernel frees the lock of a dead process; a stopped one keeps it."""
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._acquire(handle)
            yield
        finally:
            os.close(handle)

    def _acquire(self, handle: int) -> None:
        deadline = time.monotonic() + self._lock_seconds
        while True:
            self._step("lock")
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise TemporaryError(
                        f"route of {self.folder.name}",
                        observed=f"another writer has been at work for {self._lock_seconds:g} s",
                        limit="one writer at a time",
                        remedy="Try again; a stopped writer keeps its lock until it goes on or is killed.",
                    ) from error
                time.sleep(_POLL_SECONDS)
            else:
                return

    def _replace(self, file: Path, content: bytes) -> None:
        """Replace a file at once; the staged one has a fixed name, as only the lock's holder writes."""
        staged = file.with_name(f"{file.name}.next")
        self._step("write staged")
        with staged.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        self._step("rename staged")
        staged.rename(file)

    @staticmethod
    def _write_in_place(file: Path, content: bytes) -> None:
        """Write into allocated blocks: no new ones are needed."""
        with file.open("r+b", buffering=0) as stream:
            stream.write(content[: len(_BLANK)].ljust(len(_BLANK)))


@contextlib.contextmanager
def _staging(beside: Path) -> Iterator[Path]:
    """A folder that is gone afterwards unless it was put in its place."""
    staged = Path(tempfile.mkdtemp(prefix=".staged-", dir=beside))
    staged.chmod(0o755)
    try:
        yield staged
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _put(staged: Path, place: Path) -> bool:
    """Rename a folder, not an empty one, to a place of its own; False when the place is taken."""
    try:
        staged.rename(place)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            return False
        raise
    return True
