"""Adapters that the sentinel, the shadow service and `turnout rollback` need."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from turnout.domain.errors import InvalidInputError, RefusedError, TurnoutError
from turnout.domain.route import Backend, Router
from turnout.fabric.router.admin import EnvoyAdmin
from turnout.fabric.router.envoy import EnvoyRouter
from turnout.fabric.state import State
from turnout.fabric.telemetry import SENT, AccessLog
from turnout.settings import Gateway, Settings

if TYPE_CHECKING:
    from turnout.fabric.gateway_api.front import Front
    from turnout.fabric.gateway_api.place import Place
    from turnout.fabric.gateway_api.router import GatewayRouter
    from turnout.fabric.kubernetes.lease import Election

ASK_SECONDS = 2.0
"""Between two questions which models are registered, asked for a record of one that is not known."""


def router(settings: Settings) -> Router:
    """The router that the traffic runs through."""
    if settings.gateway is not None:
        return gateway_router(settings.gateway, settings.kubeconfig, settings.context)
    return EnvoyRouter(State(settings.state), admin_url=settings.envoy_admin)


def telemetry(settings: Settings) -> AccessLog:
    """What the router tells of each request."""
    gateway = settings.gateway
    if gateway is None:
        return AccessLog(State(settings.state), EnvoyAdmin(settings.envoy_admin))
    # ruff: noqa: PLC0415 -- half a second of imports that the lab's way back does without
    from turnout.fabric.gateway_api.completed import STATISTICS, Completed
    from turnout.fabric.gateway_api.proxies import Proxies
    from turnout.fabric.kubernetes.apply import Applier

    proxies = Proxies(Applier(settings.kubeconfig, settings.context), _place(gateway))
    counts = Completed(lambda: proxies.look(STATISTICS), gateway.namespace)
    return AccessLog(State(settings.state), counts, SENT)


@contextlib.contextmanager
def collecting(settings: Settings, host: str, port: int) -> Iterator[None]:
    """While it lasts, what the proxies of a Gateway tell is received and written; in the lab Envoy writes.

    Args:
        settings: The settings.
        host: Address to receive at.
        port: TCP port.

    Raises:
        RuntimeError: The port is taken.
    """
    if settings.gateway is None:
        yield
        return
    from turnout.services.collector.inbox import Inbox
    from turnout.services.collector.server import Server

    routes = gateway_router(settings.gateway, settings.kubeconfig, settings.context)
    inbox = Inbox(State(settings.state), settings.gateway.namespace, _known(routes.models))
    server = Server(inbox, port=port, host=host)
    server.start()
    try:
        yield
    finally:
        server.stop()


def _known(models: Callable[[], list[str]]) -> Callable[[str], bool]:
    """Whether a model is registered; asked anew at most once in so many seconds where one is not known."""
    names: set[str] = set()
    asked = -ASK_SECONDS

    def is_known(model: str) -> bool:
        nonlocal asked
        if model not in names and time.monotonic() - asked >= ASK_SECONDS:
            asked = time.monotonic()
            with contextlib.suppress(TurnoutError):
                names.update(models())
        return model in names

    return is_known


def gateway_router(gateway: Gateway, kubeconfig: Path | None, context: str | None) -> "GatewayRouter":
    """The router that is a Gateway of a cluster."""
    from turnout.fabric.gateway_api.router import GatewayRouter
    from turnout.fabric.kubernetes.apply import Applier

    return GatewayRouter(
        Applier(kubeconfig, context),
        _place(gateway),
        sentinel=_backend("sentinel", gateway.sentinel),
        shadow=_backend("shadow", gateway.shadow) if gateway.shadow else None,
    )


def front(settings: Settings) -> "Front":
    """The models behind the Gateway of a cluster.

    Raises:
        RefusedError: The settings name no Gateway.
    """
    if settings.gateway is None:
        raise RefusedError(
            "router", observed="no `gateway` in the settings",
            limit="a Gateway of a cluster; in the lab, `turnout lab up` registers its models",
            remedy="Name it in turnout.yaml, as docs/kubernetes.md shows.",
        )  # fmt: skip
    from turnout.fabric.gateway_api.front import Front
    from turnout.fabric.kubernetes.apply import Applier

    return Front(Applier(settings.kubeconfig, settings.context), _place(settings.gateway))


def _backend(name: str, address: str) -> Backend:
    host, _, port = address.rpartition(":")
    return Backend(name=name, host=host, port=int(port))


def _place(gateway: Gateway) -> "Place":
    from turnout.fabric.gateway_api.place import Place

    return Place(gateway.namespace, gateway.name, gateway.listener, gateway.hostname)


def lead(lease: str) -> "Election":
    """This pod's part in the election of the one sentinel that guards.

    Args:
        lease: `NAMESPACE/NAME` of the Lease.

    Raises:
        InvalidInputError: The pod's name or address is not in the environment.
    """
    from turnout.fabric.kubernetes.apply import Applier
    from turnout.fabric.kubernetes.lease import Election

    missing = [name for name in ("POD_NAME", "POD_IP") if not os.environ.get(name)]
    if missing:
        raise InvalidInputError(
            "sentinel", observed=f"no {' and no '.join(missing)} in the environment", limit="both of them",
            remedy="Give them by the downward API, as deployments/kubernetes/base/sentinel.yaml does.",
        )  # fmt: skip
    return Election(
        Applier(), lease, identity=os.environ["POD_NAME"], address=os.environ["POD_IP"],
        clock=lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    )  # fmt: skip
