"""`turnout route`: a model's route in front of its legacy servers, made, shown and taken away.

Nothing of the legacy model is touched: clients move by what their name resolves to, and both addresses answer
all the while (docs/kubernetes.md).
"""

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
import yaml

from turnout import settings
from turnout.domain import legacy_address
from turnout.domain.errors import NotFoundError, RefusedError
from turnout.domain.route import Backend, Registration
from turnout.wiring import guarding

if TYPE_CHECKING:
    from turnout.fabric.gateway_api.front import Front, Shown
    from turnout.wiring.migrating import Wiring

_QUIET_SECONDS = 60


@click.group(name="route")
def command() -> None:
    """The route of a model: what its clients' requests go through, where the router is a Gateway."""


@command.command()
@click.argument("model")
@click.option("--hostname", "further", multiple=True, help="A further name that clients call; repeatable.")
@click.option(
    "--no-legacy-host", is_flag=True, help="Leave out the host under which KServe's ingress answers."
)
@click.option(
    "--dry-run", is_flag=True, help="Check everything and show what would be written; write nothing."
)
def register(model: str, further: tuple[str, ...], *, no_legacy_host: bool, dry_run: bool) -> None:
    """Make MODEL's route, all its traffic to legacy; harmless when it is there."""
    from turnout.wiring.migrating import Wiring  # noqa: PLC0415 -- slow; --help should not wait

    wiring = Wiring(settings.load())
    front = guarding.front(wiring.settings)
    wanted = _registration(wiring, front, model, further, with_legacy_host=not no_legacy_host)
    if dry_run:
        click.echo(yaml.safe_dump_all(front.rendered(wanted), sort_keys=False), nl=False)
        return
    route = wiring.router.register(wanted)
    while (free := front.listen_port(model)) != wanted.listen_port:  # another model was registered meanwhile
        wanted = wanted.model_copy(update={"listen_port": free})
        route = wiring.router.register(wanted)
    click.echo(f"{model}: {', '.join(wanted.hostnames)} -> {wanted.stable.host}:{wanted.stable.port}")
    click.echo(f"The Gateway reports version {route.version}; legacy has {1 - route.weight:.0%}.")
    for address in front.addresses():
        click.echo(f"It answers at {address}; clients move when their name resolves to that.")


@command.command()
@click.argument("model", required=False)
@click.option("-o", "output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def show(model: str | None, output: str) -> None:
    """Show the routes of all models, or of MODEL, and where the Gateway is."""
    front = guarding.front(settings.load())
    shown, addresses = front.show(model), front.addresses()
    if output == "json":
        click.echo(json.dumps({"gateway": addresses, "routes": [asdict(one) for one in shown]}, indent=2))
        return
    click.echo(f"Gateway at {', '.join(addresses) or 'no address yet'}")
    for line in _table(shown):
        click.echo(line)


@command.command()
@click.argument("model")
@click.option(
    "--quiet", "quiet_seconds", default=_QUIET_SECONDS, show_default=True,
    help="Seconds in which no request may come, by the proxies' own counts.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not look: clients who still call the Gateway are cut off.")
def remove(model: str, quiet_seconds: int, *, yes: bool) -> None:
    """Delete MODEL's route with all that it used; its clients have to be gone from the Gateway."""
    front = guarding.front(settings.load())
    front.require_removable(model)
    if not yes:
        _require_quiet(front, model, quiet_seconds)
    front.remove(model)
    click.echo(f"{model}: the route is gone, and its tombstones; legacy was not touched.")


def _registration(
    wiring: "Wiring", front: "Front", model: str, further: tuple[str, ...], *, with_legacy_host: bool
) -> Registration:
    """What is registered: the owner's policy, legacy as the cluster or the settings have it, a free port."""
    policy = wiring.contract(model).policy
    front.require_legacy(model)
    host = _legacy_host(wiring, model)
    at = wiring.legacy.endpoint(model)
    names = front.names(model, (*((host,) if host and with_legacy_host else ()), *further))
    if at.host in names:
        raise RefusedError(
            f"legacy of {model}", observed=f"its address {at.host} is a name that clients call",
            limit="another one: once it resolves to the Gateway, requests would go round in a circle",
            remedy="Name the Service of legacy's ingress in `legacy` of turnout.yaml.",
        )  # fmt: skip
    return Registration(
        model=model,
        listen_port=front.listen_port(model),
        stable=Backend(name=f"{model}-legacy", host=at.host, port=at.port),
        policy=policy,
        hostnames=names,
    )


def _legacy_host(wiring: "Wiring", model: str) -> str | None:
    """What clients call today; checks on the way that KServe's model is ready, and one address stands for it.

    A model that the settings have an address for need not be one of KServe's.
    """
    try:
        found = wiring.inference_services.find(model)
    except NotFoundError:
        if model in wiring.settings.legacy:
            return None
        raise
    legacy_address.require_ready(found)
    if model not in wiring.settings.legacy:
        legacy_address.require_one_address(found)
    return legacy_address.ingress_host(found)


def _require_quiet(front: "Front", model: str, seconds: int) -> None:
    before = front.answered(model)
    time.sleep(seconds)
    came = front.answered(model) - before
    if came:  # fewer than before: a proxy was replaced, and what it answered last is not known
        raise RefusedError(
            f"route of {model}",
            observed=f"{came} requests in {seconds} s" if came > 0 else "a proxy was replaced meanwhile",
            limit="no request: who still calls the Gateway would be answered 404",
            remedy="Let the name resolve to legacy again and wait for caches; then try again, or say --yes.",
        )


def _table(shown: "list[Shown]") -> list[str]:
    lines = [["MODEL", "HOSTNAMES", "LEGACY", "PORT", "ATTEMPT", "WEIGHT", "ANSWERED", "GATEWAY"]]
    for one in shown:
        at = [one.model, ",".join(one.hostnames), one.legacy, str(one.listen_port)]
        traffic = [
            one.attempt or "-",
            f"{one.weight:.0%}",
            "unknown" if one.answered is None else str(one.answered),
        ]
        lines.append([*at, *traffic, one.lacking or "follows it"])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines]
