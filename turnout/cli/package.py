"""`turnout package`: packages as files, for the volume or the image that a cluster mounts.

Of a registered package, what a pod then sees at /package is what the lab's server was started on: the same
version, every file checked against its digest, the large ones brought in from where they lie.
"""

from pathlib import Path

import click

from turnout import settings
from turnout.domain.errors import InvalidInputError, NotFoundError, PermanentError
from turnout.domain.package import PackageRegistry, PackageVersion
from turnout.fabric import contracts, storage
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
    help="Folder that becomes the package: in a mounted volume, or one that an image is made from.",
)  # fmt: skip
@click.option("--digest", metavar="SHA256", help="Refuse another package than the one with this digest.")
@click.option("--mlflow", metavar="URL", help="The registry; without it, as the settings say.")
@click.option(
    "--models", type=click.Path(path_type=Path, file_okay=False),
    help="With --mlflow: where the claim `models` is mounted, in which large files may lie.",
)  # fmt: skip
def fetch(
    *, model: str, version: str | None, alias: str, directory: Path, digest: str | None, mlflow: str | None,
    models: Path | None,
) -> None:  # fmt: skip
    """Bring a package of MODEL into a folder, every file checked against its digest.

    With --mlflow no settings are read: so it runs in a pod that has none.
    """
    _replaceable(directory)
    registry = _registry(mlflow, models)
    package = _wanted(registry, model, version, alias)
    if digest and package.digest != digest:
        raise _another(package, digest)
    manifest = registry.fetch(package, directory)
    click.echo(
        f"{model} version {package.version} for {manifest.runtime}, digest {package.digest}: {directory}"
    )


@command.command()
@click.argument("model_file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--contract", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True,
    help="The model's contract: the repository wears its names, types and shapes.",
)  # fmt: skip
@click.option(
    "--to", "directory", type=click.Path(path_type=Path, file_okay=False), required=True,
    help="New or empty folder for the model repository.",
)  # fmt: skip
def native(model_file: Path, contract: Path, directory: Path) -> None:
    """Lay MODEL_FILE out for Triton's FIL or PyTorch backend, as it is.

    TorchScript (.pt) goes to PyTorch; XGBoost (.json, .ubj), LightGBM (.txt) and Treelite (.tl) to FIL. Only
    files are written: no Triton here has these backends, so nothing is proved, and no migration deploys them.
    """
    from runtimes.triton import native as backends  # noqa: PLC0415 -- protobuf loads slowly

    if directory.exists() and any(directory.iterdir()):
        raise _occupied(directory, "a new or empty folder")
    agreed = contracts.load(contract.parent, contract.stem)
    torch = model_file.suffix in backends.TORCHSCRIPT_FILES
    write = backends.write_torchscript if torch else backends.write_fil
    started = write(model_file, agreed, directory)
    click.echo(f"{agreed.model} for Triton's backend {started['backend']}: {directory}; written, not proved")


def _registry(mlflow: str | None, models: Path | None) -> PackageRegistry:
    # MLflow loads slowly; --help should not wait
    from turnout.fabric.registry.packages import MlflowPackages  # noqa: PLC0415
    from turnout.wiring.migrating import Wiring  # noqa: PLC0415

    if mlflow is None:
        return Wiring(settings.load()).packages
    return MlflowPackages(mlflow, volume=models or Path(f"/{storage.CLAIM}"))


def _another(package: PackageVersion, digest: str) -> PermanentError:
    return PermanentError(
        f"package {package.model} version {package.version}", observed=f"digest {package.digest[:12]}",
        limit=f"digest {digest[:12]}", remedy="It is not the one that was proved: package the model again.",
    )  # fmt: skip


def _replaceable(directory: Path) -> None:
    """Refuse a folder with anything else in it: a package takes its whole place."""
    if not directory.exists() or (directory / files.MANIFEST).is_file() or not any(directory.iterdir()):
        return
    raise _occupied(directory, "a new or empty folder, or one with a package")


def _occupied(directory: Path, limit: str) -> InvalidInputError:
    return InvalidInputError(
        str(directory), observed="other files", limit=limit,
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
