"""`turnout lab`: the embedded lab."""

import sys
from pathlib import Path

import click

from turnout.cli import cluster
from turnout.domain.errors import InvalidInputError

_STATE = click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False), default=Path(".turnout"), show_default=True,
    help="Directory that everything of the lab lies under.",
)  # fmt: skip
_RATE = click.option(
    "--rate", type=click.FloatRange(min=0, max=1000), default=20.0, show_default=True,
    help="Requests a second that the client sends to a model (a large one gets its share of that); 0: none.",
)  # fmt: skip


_PORTFOLIO = click.option(
    "--portfolio", type=click.Choice(["quick", "full"]), default="quick", show_default=True,
    help="Which models: three, or every one that the lab has.",
)  # fmt: skip


@click.group()
def command() -> None:
    """The embedded lab: legacy models under traffic and all that a migration needs, on this machine."""


@command.command()
@_STATE
@_RATE
@_PORTFOLIO
@click.option("--port", "ports", multiple=True, metavar="NAME=PORT", help="Fix a port (repeatable).")
def up(state: Path, rate: float, portfolio: str, ports: tuple[str, ...]) -> None:
    """Bring the lab up and leave it running."""
    from turnout.fabric.state import State  # noqa: PLC0415 -- loaded only for this command
    from turnout.lab import estate, traffic, up  # noqa: PLC0415
    from turnout.lab.lab_ports import remembered  # noqa: PLC0415

    wanted, fixed = estate.Portfolio(portfolio), dict(map(_port, ports))
    settings = up.up(state, rate=rate, portfolio=wanted, fixed_ports=fixed, say=click.echo)
    click.echo(f"\nThe lab is up. Settings: {state.resolve() / 'turnout.yaml'}")
    click.echo(f"  Prefect  {settings.prefect_ui}\n  MLflow   {settings.mlflow}")
    served = estate.laid_out(State(settings.state))
    for model, url in traffic.addresses(served, remembered(settings.state)).items():
        click.echo(f"  {model:10} {url}")
    click.echo("End it with: turnout lab down" + ("" if state == Path(".turnout") else f" --state {state}"))


@command.command()
@_STATE
def down(state: Path) -> None:
    """End every process of the lab."""
    from turnout.lab import down  # noqa: PLC0415 -- loaded only for this command

    click.echo("The lab is down." if down.down(state) else "No lab was up.")


@command.command()
@_STATE
def status(state: Path) -> None:
    """Show every process of the lab; the exit status is 1 unless all are ready."""
    from turnout.lab import status  # noqa: PLC0415 -- loaded only for this command

    rows = status.rows(state)
    click.echo(status.table(rows))
    sys.exit(0 if rows and all(row.state == "ready" for row in rows) else 1)


@command.command()
@_STATE
@_RATE
@_PORTFOLIO
@click.option(
    "--gates", type=click.Choice(["lab", "me"]), default="lab", show_default=True,
    help="Who answers at the gates: the lab's owners with their own codes, or you.",
)  # fmt: skip
@click.option("--keep", is_flag=True, help="Leave the lab running afterwards.")
def demo(state: Path, rate: float, portfolio: str, gates: str, *, keep: bool) -> None:
    """Bring the lab up, move its models, and write the report."""
    from turnout.lab import aside, demo, estate  # noqa: PLC0415 -- loaded only for this command

    if earlier := aside.set_aside(state):
        click.echo(f"the state of an earlier lab is kept in {earlier}")
    sys.exit(demo.run(state, gates, rate, portfolio=estate.Portfolio(portfolio), keep=keep))


@command.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".turnout-drills"),
    show_default=True,
    help="Directory that gets the lab's state, its logs and drills.jsonl.",
)
@click.option("--short", is_flag=True, help="A few of each kind, in some eight minutes.")
@click.option(
    "--only", "patterns", multiple=True, metavar="NAME", help="Drills by name; * matches (repeatable)."
)
@click.option("--list", "listed", is_flag=True, help="Only name the drills.")
@click.option(
    "--table",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Only write the table of drills.jsonl in this page, between its markers.",
)
def drills(output: Path, *, short: bool, patterns: tuple[str, ...], listed: bool, table: Path | None) -> None:
    """Kill, stop and break one part after the other of a lab of its own."""
    from turnout.lab.drills import command  # noqa: PLC0415 -- loaded only for this command

    if table:
        command.write_table(table, output / "drills.jsonl")
        return
    wanted = command.chosen(short=short, patterns=patterns)
    if listed:
        click.echo("\n".join(drill.name for drill in wanted))
        return
    sys.exit(command.run(output, wanted))


command.add_command(cluster.command)


def _port(argument: str) -> tuple[str, int]:
    name, _, number = argument.partition("=")
    if not number.isdigit() or not 1 <= int(number) <= 65535:  # noqa: PLR2004 -- TCP
        raise InvalidInputError(
            f"--port {argument}", observed="not NAME=PORT with a port from 1 to 65535",
            limit="for example prefect=4200", remedy="Correct it.",
        )  # fmt: skip
    return name, int(number)
