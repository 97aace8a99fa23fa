"""Adapters that the sentinel, the shadow service and `turnout rollback` need."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from turnout.domain.errors import InvalidInputError, UnsupportedError
from turnout.domain.route import Backend, Router
from turnout.fabric.router.envoy import EnvoyRouter
from turnout.fabric.state import State
from turnout.fabric.telemetry import AccessLog
from turnout.settings import Gateway, Settings

if TYPE_CHECKING:
    from turnout.fabric.kubernetes.lease import Election


def router(settings: Settings) -> Router:
    """The router that the traffic runs through."""
    if settings.gateway is not None:
        return gateway_router(settings.gateway, settings.kubeconfig, settings.context)
    return EnvoyRouter(State(settings.state), admin_url=settings.envoy_admin)


def telemetry(settings: Settings) -> AccessLog:
    """What the router tells of each request.

    Raises:
        UnsupportedError: The router is a Gateway, whose proxies' logs are not read yet.
    """
    if settings.gateway is not None:
        raise UnsupportedError(
            f"telemetry of Gateway {settings.gateway.namespace}/{settings.gateway.name}",
            observed="no adapter for its proxies' access logs",
            limit="the lab's Envoy",
            remedy="Move traffic by hand (weight, rollback); nothing guards it.",
        )
    return AccessLog(State(settings.state), admin_url=settings.envoy_admin)


def gateway_router(gateway: Gateway, kubeconfig: Path | None, context: str | None) -> Router:
    """The router that is a Gateway of a cluster."""
    # ruff: noqa: PLC0415 -- half a second of imports that the lab's way back does without
    from turnout.fabric.gateway_api.place import Place
    from turnout.fabric.gateway_api.router import GatewayRouter
    from turnout.fabric.kubernetes.apply import Applier

    host, _, port = gateway.sentinel.rpartition(":")
    return GatewayRouter(
        Applier(kubeconfig, context),
        Place(gateway.namespace, gateway.name, gateway.listener, gateway.hostname),
        sentinel=Backend(name="sentinel", host=host, port=int(port)),
    )


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
