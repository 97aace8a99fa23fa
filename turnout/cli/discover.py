"""`turnout discover`: read the legacy estate and show it. Needs no settings, no lab and no server."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from turnout.cli.estate import Source, estate_options, exit_on_problems, table
from turnout.domain.dependency_graph import dependency_graph
from turnout.domain.groups import GROUPINGS, UNKNOWN, grouped, groups_of
from turnout.domain.inventory import Inventory
from turnout.domain.risk import risk
from turnout.domain.weights import Weights
from turnout.domain.workload import Workload
from turnout.fabric import whole

_COLUMNS = ("MODEL", "FORMAT", "CLIENTS", "OWNER", "TRAFFIC", "CRITICALITY", "HARDWARE", "LATENCY")
_MORE = ("FRAMEWORK", "DEPENDENCIES", "RISK")


@click.command
@estate_options
@click.option("--page", type=click.Path(path_type=Path), help="Also write a page to this file.")
@click.option("-o", "output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(*, page: Path | None, output: str, **options: Any) -> None:
    """Read the legacy estate from manifests or from a cluster and show it, grouped in seven ways.

    Nothing is written to the cluster, and no secret is read. What cannot be read does not stop the rest: all
    that was read is shown, every problem is named on standard error, and the exit status is then 2.
    """
    source = Source(**options)
    inventory, weights = source.inventory(), source.weights_in_force()
    if page:
        from turnout.report import inventory_page  # noqa: PLC0415 -- templates load slowly

        whole.write(page, inventory_page.render(inventory, weights, source=str(source.place)))
        click.echo(f"wrote {page}", err=True)
    click.echo(_json(inventory, weights) if output == "json" else _table(inventory, weights))
    exit_on_problems(inventory.problems)


def _json(inventory: Inventory, weights: Weights) -> str:
    workloads = [
        workload.model_dump(mode="json")
        | {"groups": {name: asdict(group) for name, group in groups_of(workload, weights).items()}}
        | {"risk": _risk(workload, weights)}
        for workload in inventory.workloads
    ]
    graph = dependency_graph(inventory)
    told = {
        "workloads": workloads,
        "groups": grouped(inventory.workloads, weights),
        "dependencies": graph.model_dump(mode="json") | {"shared": graph.shared},
    }
    return json.dumps(inventory.model_dump(mode="json") | told, indent=2)


def _risk(workload: Workload, weights: Weights) -> dict[str, object]:
    weighed = risk(workload, weights)
    return {"points": weighed.points, "group": weighed.group, "reasons": weighed.reasons}


def _table(inventory: Inventory, weights: Weights) -> str:
    parts = [table((*_COLUMNS, *_MORE), [_row(workload, weights) for workload in inventory.workloads])]
    others = [*_rows_of_others(inventory)]
    if others:
        parts += ["", table(("OTHER KIND", "NAME", "WHAT IS KNOWN", "WHERE"), others)]
    return "\n".join(parts)


def _rows_of_others(inventory: Inventory) -> Iterator[tuple[str, ...]]:
    """What is no model: runtimes, graphs, schedules, and the kinds that are not read."""
    for runtime in inventory.runtimes:
        kind = "ServingRuntime" if runtime.namespace else "ClusterServingRuntime"
        formats = sorted({one.name for one in runtime.formats})
        yield kind, _full(runtime.namespace, runtime.name), ", ".join(formats) or UNKNOWN, runtime.source
    for graph in inventory.graphs:
        calls = ", ".join(call.target for call in graph.calls) or "nothing"
        yield graph.kind, _full(graph.namespace, graph.name), f"calls {calls}", graph.source
    for one in inventory.schedules:
        when = one.cron or (f"every {one.every_seconds} s" if one.every_seconds else UNKNOWN)
        yield "ScheduledWorkflow", _full(one.namespace, one.name), when, one.source
    for other in inventory.not_read:
        yield other.kind, other.name, "not read", other.where


def _full(namespace: str | None, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


def _row(workload: Workload, weights: Weights) -> tuple[str, ...]:
    groups = groups_of(workload, weights)
    name = f"{workload.namespace}/{workload.name}"
    told = (name, workload.model_format or UNKNOWN, workload.wire or UNKNOWN, workload.owner or UNKNOWN)
    return (*told, *(groups[grouping].name for grouping in GROUPINGS))
