"""`turnout install OVERLAY`: Turnout's own parts onto a cluster."""

from pathlib import Path

import click

from turnout.fabric.kubernetes import installation, kustomize
from turnout.fabric.kubernetes.apply import Applier


@click.command(name="install")
@click.argument("overlay")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Where kubectl looks, without it.")
@click.option("--context", help="Context of the kubeconfig; its current one without it.")
@click.option("--dry-run", is_flag=True, help="Let the API server check everything; change nothing.")
def command(overlay: str, kubeconfig: Path | None, context: str | None, *, dry_run: bool) -> None:
    """Install OVERLAY (laptop, gke, eks, aks, or a directory of your own), or bring it up to date."""
    objects = kustomize.render(kustomize.place(overlay))
    with Applier(kubeconfig, context) as applier:
        left = installation.install(applier, objects, dry_run=dry_run)
    done, gone = ("would be applied", "would be deleted") if dry_run else ("applied", "deleted")
    click.echo(f"{len(objects)} objects {done} in namespace {installation.NAMESPACE}.")
    for _, kind, _, name in left:
        click.echo(f"{kind} {name}: no longer part of it, {gone}")
    if not dry_run:
        click.echo(f"Wait: kubectl -n {installation.NAMESPACE} rollout status deployment --timeout=10m")
