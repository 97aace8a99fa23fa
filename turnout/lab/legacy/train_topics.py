"""Train the lab's text classifier on the documentation that comes with libraries, and export its test split.

    python train_topics.py MODEL MODEL_DIR PAYLOADS_FILE

A script of the environment `kserve`: it imports nothing of the project. The question is which library
a sentence belongs to.
"""

import importlib
import inspect
import json
import pkgutil
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import joblib
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

SEED = 20_240_607
TEST_SHARE = 0.4
PAYLOADS = 400
LIBRARIES = ("numpy", "pandas", "scipy", "sklearn")
"""Libraries of the environment whose documentation is the text."""
LEAST_CHARACTERS, MOST_CHARACTERS = 20, 300


def topics(directory: Path) -> list[str]:
    """A pipeline from text to the name of a library: words weighed by TF-IDF, then a linear classifier."""
    pairs = [(text, library) for library in LIBRARIES for text in sorted(set(sentences(library)))]
    texts, labels = zip(*pairs, strict=True)
    train, test, known, _ = train_test_split(
        texts, labels, test_size=TEST_SHARE, random_state=SEED, stratify=labels
    )
    model = make_pipeline(TfidfVectorizer(max_features=2000), LogisticRegression(C=10, max_iter=500))
    joblib.dump(model.fit(train, known), directory / "model.joblib")
    return list(test[:PAYLOADS])


def sentences(library: str) -> Iterator[str]:
    """The first sentence of what each public part of a library says of itself."""
    root = importlib.import_module(library)
    names = [library, *(f"{library}.{part.name}" for part in pkgutil.iter_modules(root.__path__))]
    for name in names:
        if not any(part.startswith("_") or part in {"conftest", "tests"} for part in name.split(".")):
            yield from summaries(name)


def summaries(module: str) -> Iterator[str]:
    """The first sentences of a module's public functions and classes, methods included."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = [value for _, value in inspect.getmembers(importlib.import_module(module))]
        except Exception:  # noqa: BLE001 -- a part that wants something else installed
            return
    classes = [value for value in found if inspect.isclass(value)]
    for value in (*found, *(method for kind in classes for _, method in inspect.getmembers(kind))):
        if callable(value) and str(getattr(value, "__module__", "")).startswith(module.partition(".")[0]):
            text = re.sub(r"\s+", " ", (inspect.getdoc(value) or "").split("\n\n")[0]).strip()
            if MOST_CHARACTERS > len(text) > LEAST_CHARACTERS:
                yield text


def main(model: str, directory: Path, payloads: Path) -> None:
    """Train the model, save it, export texts that it has not seen."""
    directory.mkdir(parents=True, exist_ok=True)
    payloads.parent.mkdir(parents=True, exist_ok=True)
    payloads.write_text(json.dumps({"model": model, "rows": topics(directory)}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
