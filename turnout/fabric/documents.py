"""Reads YAML (and so JSON) that users wrote: bounded, plain data only, the line of every part kept.

PyYAML's safe loader builds no objects, but it follows aliases: a file of a few lines can stand for millions
of parts. So the size of what a file stands for is counted before anything is built from it.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from turnout.domain.document import Document, Place, say
from turnout.domain.errors import InvalidInputError, NotFoundError

LARGEST_BYTES = 8 * 1024 * 1024
"""A dump of some thousand InferenceServices with their status; PyYAML takes seconds for it."""
MOST_PARTS = 500_000
"""What a file of that size holds without aliases."""
DEEPEST = 64
"""Kubernetes objects nest to about 20."""

_SCALARS = {
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "timestamp", "value")
}
_NEXT_DOCUMENT = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_TEMPLATE = "{{"
"""What a Helm template is known by; YAML has no use for it but a mapping inside of a mapping's key."""
_SPLIT = "Split the file, or write it without aliases."


class _Budget:
    """Parts that a file may still stand for; shared by its documents, as all of them are counted."""

    def __init__(self) -> None:
        self.left = MOST_PARTS

    @property
    def is_spent(self) -> bool:
        return self.left <= 0


class _UnreadableError(Exception):
    """A file that is YAML but not what we read: line from 1, and what was seen."""

    def __init__(self, line: int, observed: str, remedy: str = "Correct that line.") -> None:
        super().__init__(observed)
        self.line = line
        self.observed = observed
        self.remedy = remedy


def read(file: Path) -> list[Document]:
    """Read every document of a YAML file; empty ones are left out.

    Raises:
        NotFoundError: There is no such file, or it cannot be read.
        InvalidInputError: It is not YAML, or too large; the message names file and line.
    """
    found = list(read_each(file))
    for document in found:
        if isinstance(document, InvalidInputError):
            raise document
    return [document for document in found if isinstance(document, Document)]


def read_each(file: Path) -> Iterator[Document | InvalidInputError]:
    """Read the documents of a YAML file one by one; of one that cannot be read, the error.

    Raises:
        NotFoundError: There is no such file, or it cannot be read.
        InvalidInputError: It is too large, or not text.
    """
    text = _text(file)
    budget = _Budget()
    first_line = 0
    for part in _parts(text):
        try:
            yield from _documents(part, str(file), first_line, budget)
        except yaml.YAMLError as error:
            yield _not_yaml(file, error, part, first_line)
        except _UnreadableError as error:
            yield _unreadable(file, error, part, first_line)
        if budget.is_spent:
            return
        first_line += part.count("\n")


def _parts(text: str) -> Iterator[str]:
    """The text of each document. A line that begins with `---` begins one, always (YAML 9.1.2)."""
    start = 0
    for mark in _NEXT_DOCUMENT.finditer(text):
        yield text[start : mark.start()]
        start = mark.start()
    yield text[start:]


def _documents(part: str, file: str, first_line: int, budget: "_Budget") -> Iterator[Document]:
    _check_events(part, budget)
    for node in yaml.compose_all(part, Loader=yaml.CSafeLoader):
        document = _document(node, file, first_line, budget)
        if document.value is not None:
            yield document


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise InvalidInputError(
                str(file),
                observed=f"{file.stat().st_size} bytes",
                limit=f"at most {LARGEST_BYTES} bytes in one file",
                remedy="Split the file.",
            )
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise NotFoundError(
            str(file),
            observed=error.strerror or str(error),
            limit="a readable file",
            remedy="Check the path.",
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            str(file),
            observed=f"byte {error.start} is not UTF-8",
            limit="a text file in UTF-8",
            remedy="Save the file as UTF-8.",
        ) from error


def _check_events(text: str, budget: _Budget) -> None:
    """Refuse what would overrun stack or memory; events come one by one, without nesting."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        if count > budget.left:
            budget.left = 0
            raise _UnreadableError(_line(event), f"more than {MOST_PARTS} parts in the file", _SPLIT)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise _UnreadableError(_line(event), f"nested more than {DEEPEST} deep")


def _document(node: yaml.Node, file: str, first_line: int, budget: _Budget) -> Document:
    parts, _ = _Extent(budget.left).of(node)
    budget.left -= parts
    builder = _Builder(first_line)
    return Document(value=builder.plain(node, ()), file=file, lines=builder.lines)


class _Extent:
    """Parts and depth that a node stands for, its aliases followed; each node is looked at once."""

    def __init__(self, most_parts: int) -> None:
        self._most_parts = most_parts
        self._known: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()

    def of(self, node: yaml.Node) -> tuple[int, int]:
        if id(node) in self._known:
            return self._known[id(node)]
        if id(node) in self._open:
            raise _UnreadableError(_line(node), "an alias inside of what it names", _SPLIT)
        self._open.add(id(node))
        _check_keys(node)
        inner = [self.of(child) for child in _children(node)]
        extent = (1 + sum(parts for parts, _ in inner), 1 + max((depth for _, depth in inner), default=0))
        self._open.discard(id(node))
        if extent[0] > self._most_parts or extent[1] > DEEPEST + 1:
            raise _UnreadableError(
                _line(node), f"aliases that stand for more than {MOST_PARTS} parts", _SPLIT
            )
        self._known[id(node)] = extent
        return extent


def _check_keys(node: yaml.Node) -> None:
    """Keys are text and stand once; looked at before merge keys (`<<`) bring in what may be overridden."""
    if not isinstance(node, yaml.MappingNode):
        return
    keys = [key for key, _ in node.value]
    if odd := [key for key in keys if not isinstance(key, yaml.ScalarNode)]:
        raise _UnreadableError(_line(odd[0]), "a key that is not text")
    written = Counter(key.value for key in keys)
    if twice := [key for key in keys if written[key.value] > 1]:
        raise _UnreadableError(_line(twice[-1]), f"the key {say(twice[-1].value)} twice")


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


class _Builder:
    """Makes plain data from nodes and keeps the line of each part."""

    def __init__(self, first_line: int) -> None:
        self.lines: dict[Place, int] = {}
        self._first_line = first_line
        self._safe = SafeConstructor()

    def plain(self, node: yaml.Node, place: Place) -> Any:
        self.lines.setdefault(place, self._first_line + _line(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            _check_tag(node, {"tag:yaml.org,2002:seq"})
            return [self.plain(child, (*place, index)) for index, child in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        _check_tag(node, {"tag:yaml.org,2002:map"})
        self._safe.flatten_mapping(node)
        value: dict[str, Any] = {}
        for key, child in node.value:
            self.lines[*place, key.value] = self._first_line + _line(key)
            value[key.value] = self.plain(child, (*place, key.value))
        return value

    def _scalar(self, node: yaml.Node) -> Any:
        _check_tag(node, _SCALARS)
        if node.tag.endswith((":timestamp", ":value")):
            return node.value  # Kubernetes knows no dates, only text
        try:
            return self._safe.construct_object(node)
        except (ValueError, KeyError, IndexError, OverflowError, yaml.YAMLError) as error:
            raise _UnreadableError(
                _line(node), f"{say(node.value)} is no {node.tag.split(':')[-1]}"
            ) from error


def _check_tag(node: yaml.Node, known: set[str]) -> None:
    if node.tag not in known:
        raise _UnreadableError(_line(node), f"the tag {say(node.tag)}", "Write plain data, without tags.")


def _line(part: yaml.Node | yaml.Event) -> int:
    return part.start_mark.line + 1 if part.start_mark else 1


def _not_yaml(file: Path, error: yaml.YAMLError, part: str, first_line: int) -> InvalidInputError:
    """The error of broken text; what breaks off is noticed behind the last line, and said to be on it."""
    mark = getattr(error, "problem_mark", None)
    line = min(mark.line + 1, max(len(part.splitlines()), 1)) if mark else 1
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
    return _unreadable(file, _UnreadableError(line, f"not YAML ({problem})"), part, first_line)


def _unreadable(file: Path, error: _UnreadableError, part: str, first_line: int) -> InvalidInputError:
    observed, remedy = error.observed, error.remedy
    if _TEMPLATE in part:
        observed = f"a Helm template that is not rendered ({observed})"
        remedy = "Render the chart first: helm template CHART > rendered.yaml."
    return InvalidInputError(
        f"{file}:{first_line + error.line}", observed=observed, limit="plain YAML", remedy=remedy
    )
