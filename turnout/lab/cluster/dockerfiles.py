"""Images from Dockerfiles without a Docker engine: by Debian's buildah, from a base of Debian's packages.

The Dockerfiles are those that users build with Docker. Their bases, python:3.11-slim-bookworm and Debian 12
itself, come from a registry there; here Debian 12's own Python of that version is installed into an empty
directory and takes the names of both: one layer, which all images share.
"""

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from turnout.domain.errors import TemporaryError
from turnout.fabric import environments
from turnout.fabric.environments import Progress
from turnout.fabric.exclusive import locked
from turnout.lab.cluster import programs

BASES = ("docker.io/library/python:3.11-slim-bookworm", "docker.io/library/debian:bookworm-slim")
FOLDER = Path("deployments/images")

_PACKAGES = ("python3", "python3-venv", "python3-pip", "python-is-python3", "ca-certificates", "wget")
_COPIED = re.compile(r"^COPY (?!--from)(.+) \S+$", re.MULTILINE)
_TAIL_LINES = 8


@contextmanager
def archive(name: str, say: Progress) -> Iterator[Path]:
    """An image of a Dockerfile as `docker save` writes it, as long as the block lasts; built unless it is.

    Args:
        name: The Dockerfile's name in deployments/images, without `.Dockerfile`.
        say: Gets a line of text now and then.

    Raises:
        TemporaryError: It could not be built; the message ends with the builder's last lines.
    """
    with _storage() as storage, tempfile.TemporaryDirectory(dir=storage.parent) as folder:
        builder, called = _Builder(storage), reference(name)
        if called not in builder.images():
            builder.require_bases(say)
            say(f"building the image {name}")
            builder.build(name, called)
            builder.drop_earlier(called)
        written = Path(folder) / "image.tar"
        builder.write(called, written)
        yield written


def names() -> tuple[str, ...]:
    """Of all Dockerfiles."""
    return tuple(sorted(file.stem for file in (environments.project_root() / FOLDER).glob("*.Dockerfile")))


def reference(name: str) -> str:
    """What an image is called: something else when the Dockerfile or a file that it copies changes."""
    root = environments.project_root()
    dockerfile = root / FOLDER / f"{name}.Dockerfile"
    made_from = hashlib.sha256(dockerfile.read_bytes())
    for copied in " ".join(_COPIED.findall(dockerfile.read_text())).split():
        for file in _files(root / copied):
            made_from.update(file.name.encode() + b"\0" + file.read_bytes())
    return f"localhost/{name}:{made_from.hexdigest()[:12]}"


def earlier(reference: str, among: set[str]) -> set[str]:
    """Other builds of an image.

    Args:
        reference: The latest one's.
        among: References that are there.
    """
    name, _, _ = reference.rpartition(":")
    return {each for each in among - {reference} if each.startswith(f"{name}:")}


def _files(copied: Path) -> list[Path]:
    """The files of what a Dockerfile copies, less what Python leaves beside its sources."""
    if copied.is_file():
        return [copied]
    return sorted(file for file in copied.rglob("*") if file.is_file() and file.parent.name != "__pycache__")


class _Builder:
    """Buildah with a storage of its own.

    Args:
        storage: Where its images lie.
    """

    def __init__(self, storage: Path) -> None:
        self._storage = storage

    def require_bases(self, say: Progress) -> None:
        """Make the base unless it is there under each of its names."""
        base, *others = BASES
        there = self.images()
        if base not in there:
            self._make_base(base, say)
        for other in others:
            if base not in there or other not in there:
                self._run("tag", base, other)

    def _make_base(self, name: str, say: Progress) -> None:
        say("installing the base of the images")
        with tempfile.TemporaryDirectory(dir=self._storage) as folder:
            mirror = _run("apt-get", "indextargets", "--format", "$(SITE)").split()[0]
            included = f"--include={','.join(_PACKAGES)}"
            base = Path(folder) / "base"
            _run("debootstrap", "--variant=minbase", included, "bookworm", str(base), mirror)
            shutil.rmtree(base / "var" / "cache" / "apt")
            container = self._run("from", "scratch").strip()
            self._run("add", container, str(base), "/")
            self._run("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", container)
            self._run("commit", "--rm", container, name)

    def images(self) -> set[str]:
        """References of what is built."""
        return set(self._run("images", "--format", "{{.Name}}:{{.Tag}}").split())

    def build(self, name: str, reference: str) -> None:
        """Build an image."""
        root = environments.project_root()
        self._remove_containers()
        try:
            self._run(
                "bud", "--isolation", "chroot", "--pull-never", "--layers",
                # A machine behind a proxy trusts more authorities than the base does. What is written there
                # (Debian's ssl-cert does) is not kept.
                "--volume", "/etc/ssl/certs:/etc/ssl/certs:O",
                "--file", str(root / FOLDER / f"{name}.Dockerfile"), "--tag", reference, str(root),
            )  # fmt: skip
        finally:
            self._remove_containers()

    def write(self, reference: str, archive: Path) -> None:
        """Write an image to an archive."""
        self._run("push", reference, f"docker-archive:{archive}:{reference}")

    def drop_earlier(self, reference: str) -> None:
        """Remove an image's earlier builds, with the layers that are not those of the latest one."""
        for each in earlier(reference, self.images()):
            self._run("rmi", each)

    def _remove_containers(self) -> None:
        """Remove what a build that failed, or was killed, has left mounted."""
        self._run("rm", "--all")

    def _run(self, *arguments: str) -> str:
        return _run("buildah", "--root", str(self._storage), "--runroot", f"{self._storage}-run", *arguments)


def _run(*command: str) -> str:
    done = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    if done.returncode != 0:
        raise TemporaryError(
            "an image", observed=f"{command[0]} ended with status {done.returncode}: "
            + " | ".join((done.stdout + done.stderr).strip().splitlines()[-_TAIL_LINES:]),
            limit="an image built of its Dockerfile",
            remedy=f"Check the network and the room in {programs.cache()}, then run it again.",
        )  # fmt: skip
    return done.stdout


@contextmanager
def _storage() -> Iterator[Path]:
    """The builder's storage, for one at a time."""
    storage = programs.cache() / "buildah"
    storage.mkdir(parents=True, exist_ok=True)
    with locked(storage.parent / "buildah.lock"):
        yield storage
