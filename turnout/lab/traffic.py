"""The lab's traffic: the router in front of the legacy servers, its two services, and the client."""

import json

from turnout.domain.route import Backend, Registration
from turnout.domain.server import ServerSpec
from turnout.fabric import contracts, whole
from turnout.fabric.router import envoy
from turnout.fabric.state import State
from turnout.lab import legacy_servers
from turnout.lab.estate import LegacyModel

SENTINEL = "sentinel"
SHADOW = "shadow"
CLIENT = "client"
_CLIENT_STOP_SECONDS = 40.0
"""Longer than a request may take: the outstanding ones are finished and recorded."""


def sentinel(ports: dict[str, int]) -> ServerSpec:
    """The program that guards live attempts."""
    port = ports["sentinel"]
    return ServerSpec(
        name=SENTINEL, environment="core",
        command=("python", "-m", "turnout.services.sentinel", "--port", str(port)),
        ports=(port,), ready_url=f"http://127.0.0.1:{port}/healthz",
    )  # fmt: skip


def shadow(ports: dict[str, int]) -> ServerSpec:
    """The program that takes captured exchanges and replays them; it speaks gRPC alone."""
    port = ports["shadow"]
    return ServerSpec(
        name=SHADOW, environment="core",
        command=("python", "-m", "turnout.services.shadow", "--port", str(port)), ports=(port,),
    )  # fmt: skip


def router(state: State, ports: dict[str, int]) -> ServerSpec:
    """Envoy, its bootstrap written."""
    envoy.prepare(
        state, admin_port=ports["envoy-admin"], sentinel_port=ports["sentinel"], capture_port=ports["shadow"]
    )
    return envoy.server(state, admin_port=ports["envoy-admin"])


def register(state: State, models: tuple[LegacyModel, ...], ports: dict[str, int]) -> None:
    """Make models known to the router, all their traffic on legacy."""
    known = envoy.EnvoyRouter(state, admin_url=f"http://127.0.0.1:{ports['envoy-admin']}")
    for model in models:
        stable = Backend(name=legacy_servers.name(model.name), port=ports[model.port])
        policy = contracts.load(state.estate / "contracts", model.name).policy
        listen = ports[model.client_port]
        known.register(Registration(model=model.name, listen_port=listen, stable=stable, policy=policy))


def addresses(models: tuple[LegacyModel, ...], ports: dict[str, int]) -> dict[str, str]:
    """What the clients of each model call."""
    return {m.name: f"http://127.0.0.1:{ports[m.client_port]}{m.path}" for m in models}


def client(
    state: State, models: tuple[LegacyModel, ...], ports: dict[str, int], *, rate: float
) -> ServerSpec:
    """The client of all these models, through the router; how often it calls each is said by `pace`."""
    targets = [word for m, url in addresses(models, ports).items() for word in ("--target", f"{m}={url}")]
    command = ("python", "-m", "turnout.lab.client", str(state.root), "--rate", str(rate), *targets)
    return ServerSpec(name=CLIENT, environment="core", command=command, stop_seconds=_CLIENT_STOP_SECONDS)


def pace(state: State, shares: dict[str, float]) -> None:
    """Say which share of its rate the client calls each model with; it follows at once."""
    whole.write(state.paces, json.dumps(shares))
