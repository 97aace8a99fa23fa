"""Renders a kustomization with kubectl: the one on the PATH, else the one of locks/kubectl.txt."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from turnout.domain.errors import InvalidInputError, NotFoundError
from turnout.fabric import environments

Object = dict[str, Any]

_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_LONGEST_SECONDS = 120


def overlays() -> Path:
    """The folder of the overlays that are shipped."""
    return environments.project_root() / "deployments" / "kubernetes" / "overlays"


def place(overlay: str) -> Path:
    """The directory of an overlay that is shipped, by its name, or of the user's own, by its path.

    Raises:
        NotFoundError: Neither is there.
    """
    for directory in (overlays() / overlay, Path(overlay)):
        if any((directory / name).is_file() for name in _FILES):
            return directory
    shipped = sorted(each.name for each in overlays().glob("*") if each.is_dir())
    raise NotFoundError(
        f"overlay {overlay}", observed="no kustomization of that name or at that path",
        limit=f"one of {', '.join(shipped) or 'the overlays (none found)'}, or a directory of your own",
        remedy="Name one of these; set TURNOUT_ROOT where the checkout lies elsewhere.",
    )  # fmt: skip


def render(directory: Path) -> list[Object]:
    """The objects of a kustomization.

    Raises:
        InvalidInputError: It cannot be rendered; the message is kubectl's.
    """
    done = subprocess.run(
        [kubectl(), "kustomize", str(directory)],
        check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_LONGEST_SECONDS,
    )  # fmt: skip
    if done.returncode != 0:
        raise InvalidInputError(
            str(directory), observed=" ".join(done.stderr.split()), limit="a kustomization that renders",
            remedy="Correct what it names.",
        )  # fmt: skip
    return [each for each in yaml.load_all(done.stdout, yaml.CSafeLoader) if each]


def kubectl() -> str:
    """The kubectl to use; installs the locked one where there is none.

    Raises:
        TemporaryError: It could not be installed.
    """
    return shutil.which("kubectl") or str(environments.ensure("kubectl") / "bin" / "kubectl")
