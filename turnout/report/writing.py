"""Writes the report's two files, each whole or not at all."""

import os
from collections.abc import Sequence
from pathlib import Path

from turnout.domain.evidence import EvidenceStore
from turnout.domain.requests import RequestRecord
from turnout.fabric.state import State
from turnout.fabric.telemetry import AccessLog
from turnout.report import links
from turnout.report.gathering import Sources, gather
from turnout.report.links import Link
from turnout.report.page import render
from turnout.report.summary import summarise
from turnout.settings import Settings
from turnout.wiring import guarding


def write(
    settings: Settings,
    *,
    out: Path | None = None,
    wall_seconds: float | None = None,
    evidence: EvidenceStore | None = None,
    notes: list[str] | None = None,
) -> tuple[Path, Path]:
    """Write `report.html` and `summary.json`.

    Args:
        settings: Where the state directory, the contracts and the pages of the running systems are.
        out: The directory that they go to; `STATE/report` by default.
        wall_seconds: How long everything took, where the caller has measured it.
        evidence: The evidence store, where it answers.
        notes: What the reader should know was left out.

    Returns:
        Both files, the page first.
    """
    log = guarding.telemetry(settings)
    sources = Sources(
        state=State(settings.state),
        requests=lambda model: _all(log, model),
        tombstone=guarding.router(settings).tombstone,
        contracts=settings.contracts,
        evidence=evidence,
        notes=list(notes or []),
    )
    asked = links.asked(pages(settings))
    return write_from(sources, out or sources.state.report, asked, wall_seconds=wall_seconds)


def write_from(
    sources: Sources, out: Path, running: Sequence[Link], *, wall_seconds: float | None = None
) -> tuple[Path, Path]:
    """Write the report from sources of the caller's choice; see `write`."""
    facts = gather(sources)
    summary = summarise(facts, wall_seconds)
    out.mkdir(parents=True, exist_ok=True)
    docs = sources.state.data_docs
    way = os.path.relpath(docs, out) if docs.is_dir() else ""
    page = _whole(out / "report.html", render(facts, summary, running, data_docs=way))
    return page, _whole(out / "summary.json", summary.model_dump_json(by_alias=True, indent=1) + "\n")


def pages(settings: Settings) -> dict[str, str]:
    """Every page of the running systems, by name; an empty address where there is none."""
    return {
        "Prefect": settings.prefect_ui,
        "MLflow": settings.mlflow,
        "Ray": settings.ray_dashboard,
        "Data Docs": settings.data_docs,
    }


def _all(log: AccessLog, model: str) -> list[RequestRecord]:
    """Everything that a log holds: it is read in bites."""
    records, cursor = log.read(model, None)
    while True:
        more, after = log.read(model, cursor)
        if after is cursor:
            return records
        records, cursor = records + more, after


def _whole(file: Path, text: str) -> Path:
    staged = file.with_suffix(".tmp")
    staged.write_text(text, encoding="utf-8")
    staged.replace(file)
    return file
