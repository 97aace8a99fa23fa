"""The lab's legacy estate as data: manifests as in a cluster, contracts, owners and pools."""

import shutil
from pathlib import Path

from turnout.fabric.state import State
from turnout.lab.estate.portfolio import MODELS, LegacyModel, Portfolio, ServerKind, models

__all__ = ["MODELS", "LegacyModel", "Portfolio", "ServerKind", "laid_out", "lay_out", "models"]

HERE = Path(__file__).parent
_CLAIM = "pvc://models/"
"""The volume claim that holds the models; in the lab it is the folder STATE/models."""


def lay_out(state: State, portfolio: Portfolio = Portfolio.QUICK) -> None:
    """Copy a portfolio below the state directory, with the models' claim mounted; what is there stays.

    What an owner or an engineer has edited since is not overwritten, and models of a larger portfolio that
    the state directory has had before stay too.
    """
    for source in _files(portfolio):
        target = state.estate / source.relative_to(HERE)
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        if source.parent.name == "manifests":
            mounted = f"file://{state.model_files('').resolve()}/"
            target.write_text(target.read_text().replace(_CLAIM, mounted))


def laid_out(state: State) -> tuple[LegacyModel, ...]:
    """The models whose manifests lie below the state directory: those that a lab there serves."""
    folder = state.estate / "manifests"
    return tuple(model for model in MODELS if (folder / f"{model.name}.yaml").is_file())


def _files(portfolio: Portfolio) -> list[Path]:
    of_models = [
        HERE / folder / f"{model.name}.yaml"
        for folder in ("manifests", "contracts")
        for model in models(portfolio)
    ]
    return [*HERE.glob("*.yaml"), *of_models]
