"""Adapters that the sentinel, the shadow service and `turnout rollback` need."""

from turnout.domain.route import Router
from turnout.fabric.router.envoy import EnvoyRouter
from turnout.fabric.state import State
from turnout.fabric.telemetry import AccessLog
from turnout.settings import Settings


def router(settings: Settings) -> Router:
    """The router that the traffic runs through."""
    return EnvoyRouter(State(settings.state), admin_url=settings.envoy_admin)


def telemetry(settings: Settings) -> AccessLog:
    """What the router tells of each request."""
    return AccessLog(State(settings.state), admin_url=settings.envoy_admin)
