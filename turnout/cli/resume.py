"""`turnout resume MODEL`: let a held migration go on."""

import click

from turnout.cli.moving import moving


@click.command(name="resume")
@click.argument("model")
def command(model: str) -> None:
    """Lift the hold on the migration of MODEL."""
    known = moving()
    attempt = known.living(model)
    if known.attempts.held(attempt.id) is None:
        click.echo(f"{attempt.id} is not held. Nothing was changed.")
        return
    known.attempts.hold(attempt.id, None)
    click.echo(f"{attempt.id} goes on.")
