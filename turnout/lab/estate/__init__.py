"""The lab's legacy estate as data: manifests as in a cluster, contracts, owners and pools."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from turnout.domain.contract import Wire
from turnout.fabric.state import State

HERE = Path(__file__).parent
_CLAIM = "pvc://models/"
"""The volume claim that holds the models; in the lab it is the folder STATE/models."""


@dataclass(frozen=True)
class LegacyModel:
    """One model of the estate, as it is served.

    Attributes:
        name: Name of the model.
        environment: Locked environment that trains and serves it.
        wire: Protocol that its clients speak.
    """

    name: str
    environment: str
    wire: Wire

    @property
    def path(self) -> str:
        """The path that its clients call."""
        if self.wire is Wire.V1:
            return f"/v1/models/{self.name}:predict"
        return f"/v2/models/{self.name}/infer"


MODELS = (
    LegacyModel("iris", "kserve", Wire.V1),
    LegacyModel("diabetes", "kserve", Wire.V1),
    LegacyModel("cancer", "mlserver", Wire.V2),
)


def lay_out(state: State) -> None:
    """Copy the estate below the state directory, with the models' claim mounted; what is there stays.

    What an owner or an engineer has edited since is not overwritten.
    """
    for source in (*HERE.rglob("*.yaml"),):
        target = state.estate / source.relative_to(HERE)
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        if source.parent.name == "manifests":
            mounted = f"file://{state.model_files('').resolve()}/"
            target.write_text(target.read_text().replace(_CLAIM, mounted))
