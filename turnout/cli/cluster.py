"""`turnout lab cluster`: a real Kubernetes on this machine."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from turnout.lab.cluster.addons.names import ESTATE, NEEDS

_STATE = click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False), default=Path(".turnout-cluster"),
    show_default=True, help="Directory that everything of the cluster lies under.",
)  # fmt: skip


@click.group(name="cluster")
def command() -> None:
    """A real Kubernetes on this machine: a control plane with made-up nodes, and on demand a real one."""


@command.command()
@click.option(
    "--images", is_flag=True, help="And every image of deployments/images, for any node; needs root."
)
def build(*, images: bool) -> None:
    """Build every program and fetch the definitions into the cache, and leave nothing running."""
    from turnout.lab.cluster import dockerfiles  # noqa: PLC0415 -- loaded only for this command
    from turnout.lab.cluster.node import unpacked  # noqa: PLC0415

    with ThreadPoolExecutor() as beside:  # compilers take the processors, images mostly the network
        built = beside.submit(_build_programs, ESTATE if images else ())
        if images:
            unpacked.ensure(dockerfiles.names(), built.result, click.echo)
        built.result()


def _build_programs(addons: tuple[str, ...]) -> tuple[Path, ...]:
    """Build what is no image of a Dockerfile.

    Args:
        addons: What they need beside programs is installed, too.

    Returns:
        The programs that they run in containers.
    """
    from turnout.lab.cluster import definitions, programs, seed  # noqa: PLC0415 -- loaded only for this command
    from turnout.lab.cluster.addons.chosen import Addons  # noqa: PLC0415

    for program in programs.ALL:
        click.echo(f"{program.name}: {programs.ensure(program, click.echo)}")
    kinds = definitions.ensure(click.echo)
    click.echo(f"definitions: {len(kinds)} kinds")
    seed.ensure(programs.ensure(programs.CONTROL_PLANE), kinds, click.echo)
    chosen = Addons(addons)
    chosen.build(click.echo, env={})
    return chosen.programs


@command.command()
@_STATE
@click.option("--loopback", is_flag=True, help="Free ports on loopback, even as root.")
@click.option("--bare", is_flag=True, help="Kubernetes' own kinds only.")
@click.option(
    "--with", "addons", multiple=True, type=click.Choice(tuple(NEEDS)),
    help="Have a real node, or something that runs on it and brings the node along; needs root. Repeatable.",
)  # fmt: skip
def up(state: Path, *, loopback: bool, bare: bool, addons: tuple[str, ...]) -> None:
    """Bring the cluster up and leave it running; builds it the first time."""
    from turnout.lab.cluster import up  # noqa: PLC0415 -- loaded only for this command

    plane = up.up(state, up.Shape(loopback=loopback, bare=bare, addons=addons), say=click.echo)
    click.echo(f"\nThe cluster is up: {plane.url}\n  export KUBECONFIG={plane.kubeconfig}")
    if plane.gateway:
        click.echo(f"Its Gateway: http://{plane.gateway}")
    click.echo(f"End it with: turnout lab cluster down --state {state}")


@command.command()
@_STATE
def down(state: Path) -> None:
    """End every process of the cluster; what it stored stays in the state directory."""
    from turnout.lab.cluster import down  # noqa: PLC0415 -- loaded only for this command

    click.echo("The cluster is down." if down.down(state) else "No cluster was up.")


@command.command()
@_STATE
@click.argument("names", nargs=-1, required=True)
def image(state: Path, names: tuple[str, ...]) -> None:
    """Build images of Dockerfiles in deployments/images without Docker, and bring them onto the node."""
    from turnout.lab.cluster.node import store  # noqa: PLC0415 -- loaded only for this command

    there = store.of(state.resolve())
    for name in names:
        click.echo(there.build(name, lambda line: click.echo(line, err=True)))


@command.command()
@_STATE
@click.option("--jobs", is_flag=True, help="Flow runs are Jobs, as on a cloud, not processes of the worker.")
def overlay(state: Path, jobs: bool) -> None:
    """Build what Turnout's own parts need of the node, and print the directory for `turnout install`."""
    from turnout.lab.cluster.node import overlay  # noqa: PLC0415 -- loaded only for this command

    click.echo(overlay.write(state.resolve(), lambda line: click.echo(line, err=True), jobs=jobs))


@command.command()
@_STATE
def status(state: Path) -> None:
    """Show every process of the cluster; the exit status is 1 unless all are ready."""
    from turnout.lab import status  # noqa: PLC0415 -- loaded only for this command
    from turnout.lab.cluster import plane  # noqa: PLC0415

    found = plane.read(state.resolve())
    rows = status.rows(state)
    click.echo(f"{found.url}\nexport KUBECONFIG={found.kubeconfig}")
    if found.gateway:
        click.echo(f"Gateway: http://{found.gateway}")
    click.echo(status.table(rows))
    sys.exit(0 if rows and all(row.state == "ready" for row in rows) else 1)
