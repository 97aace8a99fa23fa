"""CustomResourceDefinitions as their own modules have them, fetched by version and hash."""

import hashlib
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from turnout.domain.errors import NotFoundError, PermanentError, TemporaryError
from turnout.fabric import whole
from turnout.fabric.environments import Progress
from turnout.fabric.kubernetes.apply import Applier
from turnout.lab.cluster import programs, toolchain

SOURCES = Path(__file__).parent / "definitions.yaml"


class Source(BaseModel):
    """A Go module that has definitions.

    Attributes:
        module: Its path.
        version: Its version.
        sum: Its hash, as go.sum has it.
        files: Pattern of the files below its root that have them.
    """

    model_config = ConfigDict(frozen=True)

    module: str
    version: str
    sum: str
    files: str


_KIND = "CustomResourceDefinition"
_SERVED_SECONDS = 300.0
_POLL_SECONDS = 0.1
_SOURCES = TypeAdapter(tuple[Source, ...])


def ensure(progress: Progress | None = None, *, env: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """The definitions of every module, fetched when they are not in the cache.

    Args:
        progress: Gets a line of text now and then.
        env: Variables set for Go on top of the inherited ones.

    Raises:
        PermanentError: A module is not the one that was pinned.
        TemporaryError: A module could not be fetched.
    """
    key = hashlib.sha256(SOURCES.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:12]
    kept = programs.cache() / f"definitions-{key}.json"
    if not kept.is_file():
        go = toolchain.go(progress, env=env)
        found = [
            _without_conversion(document)
            for source in _sources()
            for document in _definitions(_fetch(go, source, progress, env), source)
        ]
        whole.write(kept, json.dumps(found))
    definitions: list[dict[str, Any]] = json.loads(kept.read_text())
    return definitions


def module(name: str, progress: Progress | None = None, *, env: dict[str, str] | None = None) -> Path:
    """Root of one of the modules, in Go's module cache.

    Args:
        name: The module's path.
        progress: Gets a line of text now and then.
        env: Variables set for Go on top of the inherited ones.

    Raises:
        PermanentError: It is not the one that was pinned.
        TemporaryError: It could not be fetched.
    """
    (source,) = (each for each in _sources() if each.module == name)
    return _fetch(toolchain.go(progress, env=env), source, progress, env)


def install(applier: Applier, definitions: list[dict[str, Any]]) -> None:
    """Apply definitions, and wait until the API server serves their kinds.

    Raises:
        TemporaryError: It did not in time.
    """
    applier.apply(definitions)
    served(applier, definitions)


def served(applier: Applier, definitions: list[dict[str, Any]]) -> None:
    """Wait until the API server serves the kinds of definitions that it has.

    Raises:
        TemporaryError: It did not in time.
    """
    until = time.monotonic() + _SERVED_SECONDS
    for definition in definitions:
        while not _served(applier, definition["spec"]):
            if time.monotonic() > until:
                raise TemporaryError(
                    definition["metadata"]["name"], observed="not served",
                    limit=f"a served kind within {_SERVED_SECONDS:g} s", remedy="Run it again.",
                )  # fmt: skip
            time.sleep(_POLL_SECONDS)


def _sources() -> tuple[Source, ...]:
    return _SOURCES.validate_python(yaml.safe_load(SOURCES.read_text()))


def _served(applier: Applier, spec: dict[str, Any]) -> bool:
    """Whether each version that a definition serves is among what the API server says it has."""
    try:
        for version in spec["versions"]:
            if version["served"]:
                applier.collection(f"{spec['group']}/{version['name']}", spec["names"]["kind"])
    except NotFoundError:
        return False
    return True


def _fetch(go: str, source: Source, progress: Progress | None, env: dict[str, str] | None) -> Path:
    """Bring a module into Go's module cache and check its hash."""
    if progress:
        progress(f"definitions: {source.module} {source.version}")
    # Outside any module, so that no go.mod decides on versions.
    said = subprocess.run(
        [go, "mod", "download", "-json", f"{source.module}@{source.version}"],
        cwd="/", env={**os.environ, **(env or {}), "GOFLAGS": "-mod=mod", "GO111MODULE": "on"},
        check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    answer = json.loads(said.stdout or "{}")
    if said.returncode != 0 or "Dir" not in answer:
        raise TemporaryError(
            f"module {source.module} {source.version}",
            observed=str(answer.get("Error") or said.stderr.strip()), limit="the module's sources",
            remedy="Check the network, then run it again.",
        )  # fmt: skip
    if answer["Sum"] != source.sum:
        raise PermanentError(
            f"module {source.module} {source.version}", observed=answer["Sum"], limit=source.sum,
            remedy="Somebody changed the module; find out who before you trust it.",
        )  # fmt: skip
    return Path(answer["Dir"])


def _definitions(root: Path, source: Source) -> list[dict[str, Any]]:
    documents = (
        document
        for file in sorted(root.glob(source.files))
        for document in yaml.load_all(_untemplated(file.read_text()), yaml.CSafeLoader)
    )
    # Patches of definitions carry the kind, too, but no versions.
    return [d for d in documents if d and d.get("kind") == _KIND and "versions" in d["spec"]]


def _untemplated(text: str) -> str:
    """A file without the lines that only a chart's renderer reads: whether it is wanted, and its end."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("{{"))


def _without_conversion(definition: dict[str, Any]) -> dict[str, Any]:
    """A definition without what only a running controller can do: conversion between its versions."""
    definition["spec"]["conversion"] = {"strategy": "None"}
    definition.pop("status", None)
    return definition
