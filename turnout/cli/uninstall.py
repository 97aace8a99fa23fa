"""`turnout uninstall`: Turnout's own parts off a cluster."""

from pathlib import Path

import click

from turnout.fabric.kubernetes import installation
from turnout.fabric.kubernetes.apply import Applier


@click.command(name="uninstall")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Where kubectl looks, without it.")
@click.option("--context", help="Context of the kubeconfig; its current one without it.")
@click.option("--data", is_flag=True, help="Also the namespace: every record, package and Secret in it.")
def command(kubeconfig: Path | None, context: str | None, *, data: bool) -> None:
    """Remove what `turnout install` made; volumes, Secrets and the namespace stay unless --data."""
    with Applier(kubeconfig, context) as applier:
        found = installation.uninstall(applier, data=data)
    click.echo(f"{len(found)} objects deleted.")
    if not data:
        click.echo(f"Kept, without --data: namespace {installation.NAMESPACE}, its volumes and Secrets.")
