"""The command `turnout`: one file a command, loaded only when it is called.

`rollback` has to work at 3 am with everything else down, and in under a second: nothing slow is imported
here.
"""

import importlib
import sys

import click

from turnout.domain.errors import InvalidInputError, TurnoutError

COMMANDS = {
    "discover": "Read the legacy estate from manifests and show it.",
    "plan": "Say where each model would go, in which wave, and why.",
    "route": "Put a model's route in front of its legacy servers, show it, take it away.",
    "status": "Show where the traffic of each model goes and what its migration does.",
    "pause": "Hold a migration where it is.",
    "resume": "Let a paused migration go on.",
    "abandon": "End a migration; all traffic goes to legacy.",
    "code": "Print an owner's one-time code, or enrol their device.",
    "judge": "Ask what the guard would have done with recorded counts.",
    "package": "Bring a registered package into a folder, for what a cluster mounts.",
    "report": "Write report.html and summary.json.",
    "rollback": "Send all traffic of a model to legacy, now.",
    "install": "Put Turnout's own parts onto a Kubernetes cluster, or bring them up to date.",
    "uninstall": "Take them off again.",
    "lab": "The embedded lab: up, down, status, demo.",
}


class _Lazy(click.Group):
    """Imports `turnout.cli.NAME` only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"turnout.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy)
@click.version_option(package_name="turnout")
def turnout() -> None:
    """Move production models from KServe to Ray Serve, vLLM and Triton, with live traffic and a way back."""


def main() -> None:
    """Run the command; a TurnoutError becomes one line and a non-zero exit (2: bad input, 1: the rest)."""
    try:
        turnout()
    except TurnoutError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2 if isinstance(error, InvalidInputError) else 1)
