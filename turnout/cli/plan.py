"""`turnout plan`: say where each model would go, in which wave, and why. Applies nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from turnout.cli.estate import Source, estate_options, exit_on_problems, table
from turnout.domain.errors import InvalidInputError, NotFoundError
from turnout.domain.plan import Plan, PlanLine, Terms, plan
from turnout.domain.plan_changes import Change, changes
from turnout.domain.plan_markdown import markdown
from turnout.fabric import contracts as contract_files
from turnout.fabric import whole

_COLUMNS = ("WAVE", "DAY", "MODEL", "FROM", "TO", "POOL", "USD/HOUR", "RUNNER-UP", "RISK", "BLOCKERS")
_NONE = "-"


@click.command
@estate_options
@click.option("--pools", type=click.Path(path_type=Path), help="File of the node pools.")
@click.option("--prices", type=click.Path(path_type=Path), help="What nodes cost, for a cluster's own pools.")
@click.option("--contracts", type=click.Path(path_type=Path), help="Folder of contracts; else the settings'.")
@click.option(
    "--against", type=click.Path(path_type=Path), help="An earlier plan (-o json): tell what changed."
)
@click.option("--page", type=click.Path(path_type=Path), help="Also write the plan as a page to this file.")
@click.option(
    "-o", "output", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True
)
def command(
    *,
    pools: Path | None,
    prices: Path | None,
    contracts: Path | None,
    against: Path | None,
    page: Path | None,
    output: str,
    **options: Any,
) -> None:
    """Say where each model would go, in which wave, and why. Applies nothing.

    Pools come from --pools, else from the nodes of the cluster that the estate is read from, else from the
    settings. Exits with 2 when something in the estate cannot be read (the rest is planned, and each problem
    is named), and with 2 and no plan when a contract or the pools cannot be used.
    """
    source = Source(**options)
    inventory = source.inventory()
    found = source.pools(pools, prices)
    folder = contracts or (source.in_force.contracts if source.in_force else None)
    agreed, wrong = contract_files.load_all(folder, inventory.models) if folder else ({}, ())
    exit_on_problems(wrong)
    calendar = source.calendar()
    planned = plan(inventory, found.pools, Terms(agreed, calendar, source.weights_in_force()))
    told = changes(_earlier(against), planned) if against else None
    if page:
        from turnout.report import plan_page  # noqa: PLC0415 -- templates load slowly

        whole.write(page, plan_page.render(planned, found.pools, calendar=calendar, changes=told))
        click.echo(f"wrote {page}", err=True)
    for left in found.left_out:
        click.echo(f"node {left.node} left out: {left.why}", err=True)
    click.echo(_shown(planned, output, told))
    exit_on_problems(inventory.problems)


def _earlier(file: Path) -> Plan:
    try:
        return Plan.model_validate_json(file.read_bytes())
    except OSError as error:
        raise NotFoundError(
            str(file),
            observed=error.strerror or str(error),
            limit="an earlier plan",
            remedy="Check --against.",
        ) from error
    except ValueError as error:
        raise InvalidInputError(
            str(file),
            observed="not a plan of this version",
            limit="what `turnout plan -o json` wrote",
            remedy="Write it anew.",
        ) from error


def _shown(planned: Plan, output: str, told: Sequence[Change] | None) -> str:
    if output == "json":
        return planned.document()
    return markdown(planned, told).rstrip() if output == "markdown" else _table(planned, told)


def _table(planned: Plan, told: Sequence[Change] | None) -> str:
    parts = [table(_COLUMNS, [_row(line) for line in planned.lines]), "", planned.statement, ""]
    for line in planned.lines:
        parts.append(line.name)
        parts.extend(f"  - {reason}" for reason in line.reasons)
        parts.extend(f"  - {other}" for other in _others(line))
        parts.extend(f"  ! {blocker.kind}: {blocker.what}. {blocker.question}" for blocker in line.blockers)
    if told is not None:
        parts += ["", "Changed:", *([f"  {change.words()}" for change in told] or ["  nothing"])]
    return "\n".join(parts)


def _row(line: PlanLine) -> tuple[str, ...]:
    best = line.placement.best if line.placement else None
    second = line.placement.runner_up if line.placement else None
    price = best.price_per_hour_usd if best else None
    to = f"{line.runtime} + {line.bridge} bridge" if line.bridge else str(line.runtime or _NONE)
    return (
        str(line.wave),
        str(line.day or _NONE),
        line.name,
        line.framework,
        to,
        best.pool if best else _NONE,
        _NONE if best is None else "unknown" if price is None else f"{price:.4g}",
        second.pool if second else _NONE,
        str(line.risk),
        str(len(line.blockers)) if line.blockers else _NONE,
    )


def _others(line: PlanLine) -> list[str]:
    """Why not the other pools."""
    if line.placement is None:
        return []
    taken = [f"not on {pool}: its room goes to other models" for pool in line.placement.taken]
    dearer = [f"not on {pool}: dearer, or its price is unknown" for pool in line.placement.dearer]
    return [*taken, *dearer, *(f"not on {pool}: {why}" for pool, why in line.placement.refused.items())]
