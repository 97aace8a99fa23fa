"""`turnout status [MODEL]`: where the traffic of each model goes and what its migration does.

Read from the state directory; what Prefect or the sentinel would add is "unknown" while they do not answer.
"""

import json
from dataclasses import asdict, dataclass

import click

from turnout.cli.moving import Moving, moving
from turnout.cli.prefect_runs import state_of
from turnout.domain.attempt import Attempt
from turnout.domain.errors import NotFoundError, TurnoutError
from turnout.domain.route import Route
from turnout.fabric.sentinel_reports import SentinelReports

_UNKNOWN = "unknown"
_NONE = "-"


@dataclass(frozen=True)
class Row:
    """One model."""

    model: str
    attempt: str = _NONE
    doing: str = _NONE
    weight: str = _UNKNOWN
    capture: str = _UNKNOWN
    sentinel: str = _NONE
    run: str = _NONE
    waits_for: str = _NONE


@click.command(name="status")
@click.argument("model", required=False)
@click.option("-o", "output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(model: str | None, output: str) -> None:
    """Show where the traffic of each model goes and what its migration does."""
    known = moving()
    rows = [row(known, name) for name in _names(known) if model in (None, name)]
    if model and not rows:
        raise NotFoundError(
            model,
            observed="no such model",
            limit="a model of the router or of an attempt",
            remedy="See `turnout status`.",
        )
    click.echo(json.dumps([asdict(r) for r in rows], indent=2) if output == "json" else table(rows))


def row(known: Moving, model: str) -> Row:
    """Say how one model stands."""
    route = _route(known, model)
    traffic = {"weight": f"{route.weight:.0%}", "capture": f"{route.capture_share:.0%}"} if route else {}
    attempt = known.attempts.newest(model)
    return Row(model=model, **traffic, **(_moved(known, attempt) if attempt else {}))


def table(rows: list[Row]) -> str:
    """The rows in columns."""
    lines = [[name.replace("_", " ").upper() for name in Row.__dataclass_fields__]]
    lines += [[str(cell) for cell in asdict(r).values()] for r in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _names(known: Moving) -> list[str]:
    routed = {folder.name for folder in known.state.routes.glob("*") if folder.is_dir()}
    return sorted(routed | {attempt.model for attempt in known.attempts.list()})


def _route(known: Moving, model: str) -> Route | None:
    try:
        return known.router.read(model)
    except TurnoutError:
        return None


def _moved(known: Moving, attempt: Attempt) -> dict[str, str]:
    progress, ask = known.attempts.progress(attempt.id), known.attempts.asked(attempt.id)
    return {
        "attempt": attempt.id,
        "doing": _doing(known, attempt),
        "sentinel": _sentinel(known, attempt),
        "run": (state_of(known.settings.prefect_api, progress.run) or _UNKNOWN)
        if progress and progress.run
        else _NONE,
        "waits_for": f"{ask.owner} at gate {ask.gate}" if ask else _NONE,
    }


def _doing(known: Moving, attempt: Attempt) -> str:
    end = known.attempts.ended(attempt.id)
    stone = known.router.tombstone(attempt.model, attempt.id)
    if stone and (end is None or end.outcome == "cut_over"):
        return f"rolled back by {stone.by}: {stone.reason}"
    if end:
        return f"{end.outcome.replace('_', ' ')} (by {end.by}: {end.reason})"
    if hold := known.attempts.held(attempt.id):
        return f"held by {hold.by}: {hold.reason}"
    progress = known.attempts.progress(attempt.id)
    return progress.doing if progress else _UNKNOWN


def _sentinel(known: Moving, attempt: Attempt) -> str:
    if known.router.tombstone(attempt.model, attempt.id):
        return _NONE
    report = SentinelReports(known.settings.sentinel).report(attempt.id)
    if report is None:
        return _UNKNOWN
    armed = "armed" if report.armed else "not armed"
    return f"{armed}, {report.verdict}" + (f", {report.hold}" if report.hold else "")
