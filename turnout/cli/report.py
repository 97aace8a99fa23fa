"""`turnout report`: write report.html and summary.json from what lies in the state directory."""

from pathlib import Path

import click
import httpx

from turnout.domain.errors import NotFoundError
from turnout.domain.evidence import EvidenceStore
from turnout.settings import Settings, load

_PATIENCE_SECONDS = 2.0
"""A report is wanted on the worst day too: what does not answer by then is left out, and the page says so."""


@click.command("report")
@click.option("--state", type=click.Path(path_type=Path), help="State directory; by default the settings'.")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write; by default STATE/report.")
@click.option("--wall-seconds", type=float, help="How long everything took, where it was measured.")
def command(state: Path | None, out: Path | None, wall_seconds: float | None) -> None:
    """Write report.html and summary.json, and print where they are.

    Works on a live system, on one that is down, and on a copy of a state directory; what is missing is said
    to be missing.
    """
    from turnout.report.writing import write  # noqa: PLC0415 -- matplotlib loads slowly

    settings = _settings(state)
    evidence, notes = _evidence(settings.mlflow)
    for file in write(settings, out=out, wall_seconds=wall_seconds, evidence=evidence, notes=notes):
        click.echo(file)


def _settings(state: Path | None) -> Settings:
    """The settings in force, or those of a state directory, which may be a copy of one that was elsewhere."""
    if state is None:
        return load()
    if not state.is_dir():
        raise NotFoundError(
            str(state), observed="no such directory", limit="a state directory", remedy="Check --state."
        )
    if (file := state / "turnout.yaml").is_file():
        return load(file).model_copy(update={"state": state})
    estate = state / "estate"
    return Settings(
        state=state, manifests=estate / "manifests", contracts=estate / "contracts",
        pools=estate / "pools.yaml", owners=estate / "owners.yaml",
    )  # fmt: skip


def _evidence(url: str) -> tuple[EvidenceStore | None, list[str]]:
    """The evidence store, if it answers at once; else a note for the reader."""
    if not url:
        return None, []
    try:
        httpx.get(f"{url.rstrip('/')}/health", timeout=_PATIENCE_SECONDS).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL):
        return None, [f"MLflow at {url} does not answer: evidence records are left out."]
    from turnout.fabric.registry.evidence import MlflowEvidence  # noqa: PLC0415 -- slow, often not needed

    return MlflowEvidence(url), []
