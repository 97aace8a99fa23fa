"""Where a workload's storage URI leads on this machine, and which file below it is the model.

Called by `tasks.package`. Remote object stores are read where the models are served, on the cluster.
"""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from turnout.domain.errors import InvalidInputError, UnsupportedError

MODEL_FILES = {
    "sklearn": ("model.joblib", "model.pkl", "model.pickle"),
    "onnx": ("model.onnx",),
    "xgboost": ("model.bst", "model.json", "model.ubj"),
}
"""File names that the legacy servers look for: KServe's sklearnserver and xgbserver, MLServer's runtimes;
ONNX files go by the name that Triton looks for."""

FOLDERS = frozenset({"custom", "huggingface"})
"""Frameworks whose model is the folder: config, weights and tokenizer, or code, belong together."""

CLAIM = "models"
"""The volume claim that is mounted in the lab."""


def model_file(subject: str, uri: str | None, framework: str, *, volume: Path) -> Path:
    """Find a model's file, or its folder where the folder is the model.

    Args:
        subject: The model, for errors.
        uri: Its storage URI: `file:///PATH`, a path, or `pvc://models/PATH`; a folder or the file itself.
        framework: Its framework.
        volume: Where the claim `models` is mounted.

    Raises:
        InvalidInputError: There is no such path, or not one model file there.
        UnsupportedError: The URI's scheme or claim cannot be read from here.
    """
    path = resolve(subject, uri, volume)
    if path.is_file() or (framework in FOLDERS and path.is_dir()):
        return path
    names = MODEL_FILES.get(framework, ())
    found = [path / name for name in names if (path / name).is_file()]
    if len(found) == 1:
        return found[0]
    seen = f"{len(found)} model files" if found else "no model file" if path.is_dir() else "no such path"
    raise InvalidInputError(
        f"model file of {subject}", observed=f"{seen} at {path} ({uri})",
        limit=f"the file, or a folder with one of {', '.join(names) or 'no known names'}",
        remedy="Check storageUri in the InferenceService, and that its volume is mounted here.",
    )  # fmt: skip


def resolve(subject: str, uri: str | None, volume: Path) -> Path:
    """Where a storage URI leads on this machine.

    Raises:
        UnsupportedError: Its scheme or claim cannot be read from here.
    """
    parts = urlsplit(uri or "")
    path = unquote(parts.path)
    if parts.scheme in {"", "file"} and not parts.netloc and path.startswith("/"):
        return Path(path)
    if parts.scheme == "pvc" and parts.netloc == CLAIM:
        inside = (volume / path.lstrip("/")).resolve()
        if inside.is_relative_to(volume.resolve()):
            return inside
    raise UnsupportedError(
        f"storage of {subject}", observed=f"storageUri {uri or 'missing'}", limit=f"file:///PATH or pvc://{CLAIM}/PATH",
        remedy="Copy the model to a mounted volume and name it in the InferenceService.",
    )  # fmt: skip
