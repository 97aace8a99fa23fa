"""`turnout abandon MODEL`: end a migration on somebody's word."""

import click

from turnout.cli.moving import caller, moving
from turnout.cli.prefect_runs import wake
from turnout.domain.attempt import End, Outcome


@click.command(name="abandon")
@click.argument("model")
@click.option("--reason", required=True, help="Why; kept with the attempt for good.")
@click.option("--by", default=caller, show_default="the user of this system", help="Who decided it.")
def command(model: str, reason: str, by: str) -> None:
    """End the migration of MODEL: all traffic to legacy, the attempt is over for good."""
    known = moving()
    attempt = known.living(model)
    stone = known.router.roll_back(model, attempt.id, reason=reason, by=by)  # first: the rest can wait
    known.attempts.end(
        attempt.id,
        End(outcome=Outcome.ABANDONED, by=by, reason=reason, at_seconds=stone.at_seconds),
    )
    known.attempts.hold(attempt.id, None)
    click.echo(f"{attempt.id} is over, abandoned by {by}: {reason}. All traffic of {model} is on legacy.")
    progress = known.attempts.progress(attempt.id)
    run = progress.run if progress else None
    if run is None:
        return
    click.echo(
        "Its run clears away what it deployed."
        if wake(known.settings.prefect_api, run)
        else "Prefect does not answer: its run clears away what it deployed once it runs again."
    )
