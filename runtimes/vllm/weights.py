"""A model's folder as Hugging Face saves one: which files are weights, and what its config.json says."""

import json
from pathlib import Path
from typing import Any

from turnout.domain.errors import InvalidInputError

WEIGHTS = "*.safetensors"
"""Pickled weights (*.bin, *.pt) are code, and are not served."""

NEEDED = ("config.json", "tokenizer_config.json", "tokenizer.json")
CARRIED = (*NEEDED, "generation_config.json", "chat_template.jinja", "special_tokens_map.json",
           "model.safetensors.index.json", "vocab.json", "vocab.txt", "merges.txt", "added_tokens.json",
           "modules.json", "1_Pooling/config.json", "sentence_bert_config.json",
           "config_sentence_transformers.json")  # fmt: skip
"""Small files that are carried in the package itself: they decide the answer as much as the weights do. The
last four are of sentence-transformers: how vectors are pooled and normalised, how long a text may be."""


def config(folder: Path) -> dict[str, Any]:
    """The model's config.json.

    Raises:
        InvalidInputError: It is missing or no JSON object.
    """
    try:
        found = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise _unusable(folder, f"{type(error).__name__}: {error}") from error
    if not isinstance(found, dict):
        raise _unusable(folder, "config.json is no object")
    return found


def longest_text(folder: Path) -> int | None:
    """Tokens of the longest text that an embedding model takes, where its folder says so."""
    try:
        found = json.loads((folder / "sentence_bert_config.json").read_text())
        return int(found["max_seq_length"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def weight_files(folder: Path) -> list[Path]:
    """Its weight files.

    Raises:
        InvalidInputError: There are none, or a file that a model cannot do without is missing.
    """
    found = sorted(folder.glob(WEIGHTS))
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if not found or missing:
        raise _unusable(folder, f"no {missing[0] if missing else WEIGHTS}")
    return found


def size_bytes(folder: Path) -> int:
    """Bytes of all its weight files."""
    return sum(file.stat().st_size for file in weight_files(folder))


def _unusable(folder: Path, observed: str) -> InvalidInputError:
    return InvalidInputError(
        f"language model in {folder}",
        observed=observed,
        limit="a folder as Hugging Face saves one: config.json, tokenizer and *.safetensors",
        remedy="Save the model with save_pretrained, weights as safetensors and the tokenizer beside them.",
    )
