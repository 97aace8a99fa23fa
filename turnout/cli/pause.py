"""`turnout pause MODEL`: hold a migration where it is."""

import time

import click

from turnout.cli.moving import caller, moving
from turnout.domain.attempt import Hold
from turnout.domain.errors import RefusedError
from turnout.domain.route import RouteChange
from turnout.fabric import contracts

_TRIES = 5


@click.command(name="pause")
@click.argument("model")
@click.option("--reason", required=True, help="Why; shown to whoever looks.")
@click.option("--by", default=caller, show_default="the user of this system", help="Who decided it.")
def command(model: str, reason: str, by: str) -> None:
    """Hold the migration of MODEL: the weight stays, the sentinel stays armed, nothing new begins."""
    known = moving()
    attempt = known.living(model)
    known.attempts.hold(attempt.id, Hold(by=by, reason=reason, at_seconds=time.time()))
    longest = contracts.load(known.settings.contracts, model).rollout.gate_longest_seconds
    for left in reversed(range(_TRIES)):
        route = known.router.read(model)
        if route.attempt != attempt.id or not route.weight:
            break
        change = RouteChange(
            model=model, attempt=attempt.id, read_version=route.version, step_lease_seconds=longest
        )
        try:
            known.router.change(change)
            break
        except RefusedError:  # the flow changed the route at the same moment
            if not left:
                raise
    click.echo(
        f"{attempt.id} is held at {route.weight:.0%}, for at most {longest / 3600:g} h; then the sentinel "
        f"takes it back. `turnout resume {model}` lets it go on."
    )
