"""`turnout code OWNER`: an owner's one-time code, for whoever may read the state directory.

On a real installation owners read their codes off their own devices, enrolled once with `--enrol`.
"""

import time

import click

from turnout import settings
from turnout.domain.errors import NotFoundError
from turnout.fabric.owners import Owners
from turnout.fabric.state import State


@click.command(name="code")
@click.argument("owner")
@click.option(
    "--enrol", is_flag=True, help="Print the URI that an authenticator app reads, instead of a code."
)
def command(owner: str, enrol: bool) -> None:
    """Print a one-time code of OWNER that was not used yet."""
    known = settings.load()
    owners = Owners(State(known.state), known.owners)
    if owner not in owners.all():
        raise NotFoundError(
            f"owner {owner}",
            observed=f"not in {known.owners}",
            limit=f"one of {', '.join(sorted(owners.all()))}",
            remedy="Name an owner of the owners file.",
        )
    click.echo(owners.enrol(owner) if enrol else owners.code(owner, time.time()))
