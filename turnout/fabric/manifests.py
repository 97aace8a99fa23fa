"""Discovery from manifests: a file or a folder of YAML, as `kubectl get -o yaml` or a repository holds it.

A problem in one object does not hide the others: all that can be read is read, and all problems are listed.
"""

from collections.abc import Iterator
from pathlib import Path

from turnout.domain.document import Document
from turnout.domain.errors import InvalidInputError, NotFoundError
from turnout.domain.estate import finding
from turnout.domain.inventory import Finding, Inventory, NotRead, Problem, gather
from turnout.fabric import documents

_ENDINGS = frozenset({".yaml", ".yml", ".json"})
_BUILD_FILES = {
    "kustomization.yaml": "Kustomization",
    "kustomization.yml": "Kustomization",
    "Chart.yaml": "Helm chart",
    "values.yaml": "Helm values",
}
"""Files that lie beside manifests and are none, with what they are."""


def read(path: Path) -> Inventory:
    """Read every manifest of a folder (and the folders in it), or one file.

    Raises:
        NotFoundError: There is no such path, or no manifest in it.
    """
    return gather(found for file in _files(path) for found in _findings(file))


def _findings(file: Path) -> Iterator[Finding]:
    if file.name in _BUILD_FILES:
        yield NotRead(kind=_BUILD_FILES[file.name], name=file.parent.name, where=str(file))
        return
    try:
        for document in documents.read_each(file):
            if isinstance(document, InvalidInputError):
                yield Problem.of(document)
            else:
                yield from filter(None, map(_finding, _objects(document)))
    except InvalidInputError as error:
        yield Problem.of(error)


def _finding(document: Document) -> Finding | None:
    """JSON without apiVersion and kind is a request's body or a dashboard, as repositories hold them."""
    value = document.value
    is_manifest = isinstance(value, dict) and not value.keys().isdisjoint({"apiVersion", "kind"})
    if document.file.endswith(".json") and not is_manifest:
        return NotRead(kind="JSON", name=Path(document.file).name, where=document.where())
    return finding(document)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.suffix in _ENDINGS and file.is_file())
    if not files:
        raise NotFoundError(
            str(path),
            observed="no manifest" if path.is_dir() else "no such folder or file",
            limit="a folder with manifests (.yaml, .yml, .json), or one of them",
            remedy="Check the path, or write the manifests there (kubectl get inferenceservices -A -o yaml).",
        )
    return files


def _objects(document: Document) -> Iterator[Document]:
    """The object itself, or those of a list; an object that is a list holds `items`, whatever its kind."""
    value = document.value
    kind = value.get("kind") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind.endswith("List") and isinstance(value.get("items"), list):
        for index in range(len(value["items"])):
            yield _typed(document.at(("items", index)), kind, value.get("apiVersion"))
    else:
        yield document


def _typed(item: Document, list_kind: str, api_version: object) -> Document:
    """An entry of a typed list may leave its kind to the list's."""
    if list_kind == "List" or not isinstance(item.value, dict) or "kind" in item.value:
        return item
    value = {"apiVersion": api_version, "kind": list_kind.removesuffix("List"), **item.value}
    return Document(value=value, file=item.file, lines=item.lines, base=item.base)
