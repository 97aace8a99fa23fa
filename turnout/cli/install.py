"""`turnout install OVERLAY`: Turnout's own parts onto a cluster."""

from pathlib import Path

import click

from turnout.fabric.kubernetes import installation, kustomize
from turnout.fabric.kubernetes.apply import Applier
from turnout.fabric.kubernetes.waiting import Waiter


@click.command(name="install")
@click.argument("overlay")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Where kubectl looks, without it.")
@click.option("--context", help="Context of the kubeconfig; its current one without it.")
@click.option(
    "--wait", "wait_seconds", default=600, show_default=True, help="Seconds until all run; 0: none."
)
@click.option("--dry-run", is_flag=True, help="Let the API server check everything; change nothing.")
def command(
    overlay: str, kubeconfig: Path | None, context: str | None, *, wait_seconds: int, dry_run: bool
) -> None:
    """Install OVERLAY (laptop, gke, eks, aks, or a directory of your own), or bring it up to date."""
    objects = kustomize.render(kustomize.place(overlay))
    with Applier(kubeconfig, context) as applier:
        left = installation.install(applier, objects, dry_run=dry_run)
        _say(objects, left, dry_run=dry_run)
        if wait_seconds and not dry_run:
            running = [each for each in objects if each["kind"] in {"Deployment", "StatefulSet"}]
            Waiter(applier).until_ready(running, within_seconds=wait_seconds)
            click.echo("All of it runs.")


def _say(objects: list[kustomize.Object], left: list[installation.Reference], *, dry_run: bool) -> None:
    done, gone = ("would be applied", "would be deleted") if dry_run else ("applied", "deleted")
    click.echo(f"{len(objects)} objects {done} in namespace {installation.NAMESPACE}.")
    for _, kind, _, name in left:
        click.echo(f"{kind} {name}: no longer part of it, {gone}")
