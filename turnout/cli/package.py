"""`turnout package`: a registered package as files, for the volume or the image that a cluster mounts.

What a pod then sees at /package is what the lab's server was started on: the same version, every file checked
against its digest, the large ones brought in from where they lie.
"""

from pathlib import Path

import click

from turnout import settings
from turnout.domain.errors import InvalidInputError, NotFoundError
from turnout.domain.package import PackageRegistry, PackageVersion
from turnout.fabric.registry import files


@click.group(name="package")
def command() -> None:
    """Packages of the registry."""


@command.command()
@click.argument("model")
@click.option("--version", "version", metavar="N", help="Version; by default the one that an alias names.")
@click.option(
    "--alias", type=click.Choice(["serving", "candidate", "previous"]), default="serving", show_default=True,
    help="Which version, where none is given.",
)  # fmt: skip
@click.option(
    "--to", "directory", type=click.Path(path_type=Path, file_okay=False), required=True,
    help="Folder that becomes the package: a mounted volume's, or one that an image is made from.",
)  # fmt: skip
def fetch(model: str, version: str | None, alias: str, directory: Path) -> None:
    """Bring a package of MODEL into a folder, every file checked against its digest."""
    from turnout.wiring.migrating import Wiring  # noqa: PLC0415 -- MLflow loads slowly; --help should not wait

    _replaceable(directory)
    registry = Wiring(settings.load()).packages
    package = _wanted(registry, model, version, alias)
    manifest = registry.fetch(package, directory)
    click.echo(
        f"{model} version {package.version} for {manifest.runtime}, digest {package.digest}: {directory}"
    )


def _replaceable(directory: Path) -> None:
    """Refuse a folder with anything else in it: a package takes its whole place."""
    if not directory.exists() or (directory / files.MANIFEST).is_file() or not any(directory.iterdir()):
        return
    raise InvalidInputError(
        str(directory), observed="other files", limit="a new or empty folder, or one with a package",
        remedy="Name another folder with --to: what is in it would be replaced.",
    )  # fmt: skip


def _wanted(registry: PackageRegistry, model: str, version: str | None, alias: str) -> PackageVersion:
    package = registry.find(model, version) if version else registry.marked(model, alias)
    if package is None:
        raise NotFoundError(
            f"package of {model}", observed=f"no version {version}" if version else f"nothing is {alias}",
            limit="a registered version", remedy="Look it up in MLflow; name it with --version or --alias.",
        )  # fmt: skip
    return package
