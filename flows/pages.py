"""Evidence as people read it on a run's page: a summary, its numbers, its bounds, its examples."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from prefect.artifacts import create_markdown_artifact

from turnout.domain.evidence import Evidence
from turnout.wiring.migrating import current

_EXAMPLES = 5
_CELL = 160
_ROWS = 200
"""Rows of a table at most: Prefect draws the page in the browser, and nobody reads on."""


def show(evidence: Evidence, *, name: str | None = None, heading: str = "") -> None:
    """Put evidence on the page of the run that found it."""
    key = name or f"{evidence.attempt or evidence.subject}-{evidence.phase}"
    print(summary(evidence))  # noqa: T201 -- Prefect logs what flows print
    text = "\n\n".join(filter(None, [heading, page(evidence, data_docs=current().settings.data_docs)]))
    create_markdown_artifact(key=key, markdown=text, description=summary(evidence))


def summary(evidence: Evidence) -> str:
    """One line: who, what, how it went, why."""
    why = "; ".join(evidence.reasons)
    subject = evidence.attempt or evidence.subject
    return f"{subject} {evidence.phase}: {evidence.verdict}" + (f" ({why})" if why else "")


def page(evidence: Evidence, *, data_docs: str = "") -> str:
    """All of it, as markdown.

    Args:
        evidence: What was found.
        data_docs: Where the Data Docs are served, for links to them; empty: nowhere.
    """
    docs = _docs(evidence, data_docs)
    parts = [f"## {summary(evidence)}", docs, *_measured(evidence), _table("Bounds", _flat(evidence.bounds))]
    origin = f"found by Turnout {evidence.code_version} for inputs `{evidence.inputs_digest[:12]}`"
    return "\n\n".join(filter(None, [*parts, f"Evidence `{evidence.digest}`, {origin}"]))


def _docs(evidence: Evidence, data_docs: str) -> str:
    """Links to the Data Docs: each suite that the evidence was held against, and all of the model's."""
    if not data_docs:
        return ""
    suites = [row for row in evidence.measurements.get("expectations", ()) if row.get("data_docs")]
    links = [f"[{_words(row['suite'])}]({data_docs}/{quote(row['data_docs'])})" for row in suites]
    every = f"[all of {evidence.subject}]({data_docs}/{evidence.subject}/index.html)"
    return f"Data Docs: {', '.join([*links, every])}"


def _measured(evidence: Evidence) -> Iterator[str]:
    """Numbers into one table, lists of records into a table each, examples as they are."""
    numbers: dict[str, Any] = {}
    for name, value in evidence.measurements.items():
        if name == "examples" and value:
            examples = json.dumps(value[:_EXAMPLES], indent=1, default=str)
            yield f"### Differing examples\n\n```json\n{examples}\n```"
        elif isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            yield _rows(name, value)
        else:
            numbers |= _flat({name: value})
    yield _table("Measured", numbers)


def _table(title: str, values: Mapping[str, Any]) -> str:
    if not values:
        return ""
    rows = "\n".join(f"| {_words(name)} | {_cell(value)} |" for name, value in values.items())
    return f"### {title}\n\n| what | value |\n|---|---|\n{rows}"


def _rows(title: str, rows: list[dict[str, Any]]) -> str:
    flat = [_flat(row) for row in rows[:_ROWS]]
    names = list(dict.fromkeys(name for row in flat for name in row))
    head = f"| {' | '.join(_words(n) for n in names)} |\n|{'---|' * len(names)}"
    body = "\n".join(f"| {' | '.join(_cell(row.get(n, '')) for n in names)} |" for row in flat)
    more = f"\n\nand {len(rows) - _ROWS} more." if len(rows) > _ROWS else ""
    return f"### {_words(title).capitalize()}\n\n{head}\n{body}{more}"


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{above} {name}".strip()
        found |= _flat(value, path) if isinstance(value, Mapping) else {path: value}
    return found


def _words(name: str) -> str:
    return name.replace("_", " ")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = text.replace("|", "\\|").replace("\n", " ")
    return text if len(text) <= _CELL else f"{text[:_CELL]} …"
