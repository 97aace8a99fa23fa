"""`turnout rollback MODEL`: all traffic to legacy, now.

Made for 3 am: it needs the state directory alone; where the router is a Gateway, the cluster's API. Prefect,
MLflow, workers, sentinel and even the router may be down, and the machine may be busy, so it imports none of
what talks to them and nothing else that is slow.
"""

import getpass
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import click
import yaml

from turnout.domain.errors import UnreachableError
from turnout.fabric.router import ending
from turnout.fabric.router.directory import RouteDirectory
from turnout.fabric.router.naming import is_attempt
from turnout.fabric.state import State
from turnout.settings_file import find

_REPORT_SECONDS = 2.0


class Ended(Protocol):
    """What is said of an attempt that is over."""

    @property
    def attempt(self) -> str:
        """The attempt."""

    @property
    def by(self) -> str:
        """Who ended it."""

    @property
    def reason(self) -> str:
        """Why."""


def _given(_context: click.Context, _parameter: click.Parameter, reason: str) -> str:
    if reason.strip():
        return reason.strip()
    raise click.BadParameter("a reason is more than blanks; it is kept with the attempt for good")


def _user() -> str:
    """The user of this system; a machine without a name for them must not stop a rollback."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"user {os.getuid()}"


@click.command(name="rollback")
@click.argument("model")
@click.option("--reason", required=True, callback=_given, help="Why; kept with the attempt for good.")
@click.option("--by", default=_user, show_default="the user of this system", help="Who decided it.")
def command(model: str, reason: str, by: str) -> None:
    """Send all traffic of MODEL to legacy, now, and end its attempt for good."""
    file = find()
    if written := _with_gateway(file):
        from turnout.cli import rollback_gateway  # noqa: PLC0415 -- it loads the cluster's client

        for line in rollback_gateway.run(written, model, reason=reason, by=by):
            click.echo(line)
        return
    state, admin_url = _where(file)
    directory = ending.directory_of(state.routes, model)
    ended = [ending.end(directory, one, reason=reason, by=by) for one in ending.unfinished(directory)]
    for line in told(model, ended, ending.stable(directory)):
        click.echo(line)
    click.echo(_report(directory, admin_url))
    for epitaph in ended:
        directory.settle(epitaph.attempt)


def told(model: str, ended: Sequence[Ended], stable: str) -> list[str]:
    """What became of a model's attempts, in words; `stable` names who has all traffic without one."""
    if not ended and is_attempt(model, stable):
        return [
            f"{model}: legacy is retired; {stable} has its place, and all traffic. Nothing was changed.",
            "The flow `restore` brings legacy back.",
        ]
    if not ended:
        return [f"{model}: no attempt is live; all traffic is on legacy already. Nothing was changed."]
    return [
        f"{model}: all traffic is on legacy. Attempt {one.attempt} is over, "
        f"rolled back by {one.by}: {one.reason}"
        for one in ended
    ]


def _with_gateway(file: Path) -> dict[str, Any]:
    """The settings where they name a Gateway; what cannot be read is dealt with elsewhere."""
    try:
        written = yaml.safe_load(file.read_text())
        return written if written.get("gateway") else {}
    except (OSError, yaml.YAMLError, AttributeError):
        return {}


def _where(file: Path) -> tuple[State, str]:
    """The state directory and the router's admin URL. A fault elsewhere in the settings stops no rollback."""
    try:
        settings = yaml.safe_load(file.read_text())
        return State(Path(settings["state"])), str(settings.get("envoy_admin", ""))
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        from turnout.settings import load  # noqa: PLC0415 -- slow; it says what is wrong with the file

        settings = load(file)
        return State(settings.state), settings.envoy_admin


def _report(directory: RouteDirectory, admin_url: str) -> str:
    """What the router itself says, waited for a moment."""
    from turnout.fabric.router.admin import EnvoyAdmin  # noqa: PLC0415 -- the traffic has moved by now

    admin = EnvoyAdmin(admin_url)
    model, deadline = directory.folder.name, time.monotonic() + _REPORT_SECONDS
    wanted = ending.version_of(directory.document())
    try:
        while (reported := admin.route_version(model)) != wanted and time.monotonic() < deadline:
            time.sleep(0.005)
    except UnreachableError:
        return "Envoy does not answer: it follows the route when it next starts. Nothing more has to be done."
    if reported == wanted:
        return f"Envoy reports version {reported}: legacy has 100 %."
    return f"Envoy still reports version {reported}, not {wanted}: look into its log."
