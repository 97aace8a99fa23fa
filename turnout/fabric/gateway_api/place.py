"""Where the router's objects live: the namespace, the Gateway, and who guards."""

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
GATEWAY_API = "gateway.networking.k8s.io"
ENVOY_GATEWAY = "gateway.envoyproxy.io"


@dataclass(frozen=True)
class Place:
    """Where the router's objects live.

    Attributes:
        namespace: Namespace of the Gateway and of every object of a route.
        gateway: Name of the Gateway.
        listener: Its listener that routes attach to; None: every one.
        hostname: What clients call, with `{model}` in it; empty: every name (one model alone).
    """

    namespace: str
    gateway: str
    listener: str | None = None
    hostname: str = ""

    def parent(self) -> Object:
        """The Gateway, as routes refer to it."""
        section = {"sectionName": self.listener} if self.listener else {}
        return {"group": GATEWAY_API, "kind": "Gateway", "name": self.gateway, **section}

    def hostnames(self, model: str) -> list[str]:
        """The names that a model's clients call."""
        return [self.hostname.format(model=model)] if self.hostname else []


def metadata(place: Place, model: str, name: str) -> Object:
    """Name, namespace and labels of an object that belongs to a model's route."""
    labels = {"app.kubernetes.io/managed-by": "turnout", "turnout.dev/model": model}
    return {"name": name, "namespace": place.namespace, "labels": labels}
