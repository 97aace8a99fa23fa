"""Models' routes as wholes: what one needs before it is made, how it stands, and taking it away again.

Called by the command `route`; what moves traffic is `router`.
"""

import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from turnout.domain.errors import (
    InvalidInputError,
    NotFoundError,
    RefusedError,
    TurnoutError,
    UnreachableError,
)
from turnout.domain.route import Registration
from turnout.fabric.gateway_api import deciding, hostnames, policies, rules
from turnout.fabric.gateway_api.capturing import capture_name
from turnout.fabric.gateway_api.completed import STATISTICS, counted
from turnout.fabric.gateway_api.place import ENVOY_GATEWAY, GATEWAY_API, Object, Place, metadata
from turnout.fabric.gateway_api.proxies import Proxies
from turnout.fabric.gateway_api.record import Record, parse
from turnout.fabric.gateway_api.reports import Conditions, Reports
from turnout.fabric.gateway_api.routes import Routes
from turnout.fabric.kubernetes.apply import Applier, ConflictError
from turnout.fabric.router.naming import check_model, is_attempt

PORTS = range(20_000, 30_000)
"""Where doors listen, on loopback in each proxy: above the Gateway's own ports (19000 to 19003, and 10,000
more than each of its listeners below 1024), below those that Linux gives to outgoing connections (32768)."""
_CONFLICTS = 20


class Pages(Protocol):
    """Who shows the proxies' metrics: `proxies.Proxies`."""

    def look(self, statistics: str) -> dict[str, str]:
        """Some metrics of all proxies at the same moment, by proxy."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How a model's route stands.

    Attributes:
        model: The model.
        hostnames: What clients call.
        legacy: Where its legacy servers are, `host:port`.
        listen_port: Port of its candidates' door.
        attempt: The live attempt.
        weight: Candidate's share in [0, 1].
        answered: Requests that the proxies have begun to answer since each of them started; None: unknown.
        lacking: What the Gateway has not reported yet, or does not take; None: nothing.
    """

    model: str
    hostnames: tuple[str, ...]
    legacy: str
    listen_port: int
    attempt: str | None
    weight: float
    answered: int | None
    lacking: str | None


class Front:
    """The models behind one Gateway.

    Args:
        api: The connection.
        place: Where the Gateway and its routes are.
        reports: What counts as reported; without it, the conditions of the Gateway's controller.
        proxies: Who counts requests; without it, the pods of the Gateway's proxies.
    """

    def __init__(
        self, api: Applier, place: Place, *, reports: Reports | None = None, proxies: Pages | None = None
    ) -> None:
        """Keep where things are; nothing is called yet."""
        self._api = api
        self._place = place
        self._routes = Routes(api, place)
        self._reports = reports or Conditions(place)
        self._proxies = proxies or Proxies(api, place)

    def addresses(self) -> tuple[str, ...]:
        """Where clients reach the Gateway, as its status says.

        Raises:
            NotFoundError: There is no such Gateway.
        """
        meta = {"namespace": self._place.namespace, "name": self._place.gateway}
        gateway = {"apiVersion": f"{GATEWAY_API}/v1", "kind": "Gateway", "metadata": meta}
        named = f"Gateway {self._place.namespace}/{self._place.gateway}"
        found = self._api.call("GET", self._api.path(gateway), named=named)
        return tuple(one["value"] for one in (found.get("status") or {}).get("addresses") or [])

    def names(self, model: str, further: tuple[str, ...]) -> tuple[str, ...]:
        """The names that a model's route is to have: those that it has, the Gateway's pattern, further ones.

        None is ever taken away: somebody may call it.

        Raises:
            RefusedError: Another HTTPRoute has one of them on the same Gateway.
        """
        route = self._known(model)
        has = route["spec"].get("hostnames") or [] if route else []
        wanted = tuple(dict.fromkeys((*has, *self._place.hostnames(model), *further)))
        every = f"/apis/{GATEWAY_API}/v1/httproutes"
        found = self._api.call("GET", every, named="HTTPRoutes of all namespaces")["items"]
        hostnames.require_free(found, self._place, model, wanted)
        return wanted

    def listen_port(self, model: str) -> int:
        """The port of a model's door: its own where no other has it, else a free one.

        Looked for from a place that the name gives: models that are registered at once rarely meet.

        Raises:
            RefusedError: None is free.
        """
        ports = {one.registration.model: one.registration.listen_port for one in self._records()}
        own = ports.pop(model, None)
        taken = set(ports.values())
        if own is not None and own not in taken:
            return own
        first = int.from_bytes(hashlib.sha256(model.encode()).digest()[:4]) % len(PORTS)
        in_order = (*PORTS[first:], *PORTS[:first])
        free: int | None = next((port for port in in_order if port not in taken), None)
        if free is None:
            raise RefusedError(
                f"model {model}", observed=f"{len(PORTS)} models have a door behind this Gateway",
                limit="a port of its own for each", remedy="Use a second Gateway.",
            )  # fmt: skip
        return free

    def require_legacy(self, model: str) -> None:
        """Refuse a model whose legacy is retired: its stable servers are no longer legacy's.

        Raises:
            RefusedError: It is.
        """
        if (route := self._known(model)) is not None:
            _require_legacy(parse(route))

    def rendered(self, registration: Registration) -> list[Object]:
        """What registering would write, in its order; where the route stands alike, not the route."""
        route = self._known(registration.model)
        if route is None:
            made: Object | None = deciding.found(self._place, registration)
        else:
            made = deciding.registered(route, self._place, registration)
        return [*policies.for_model(self._place, registration), *([made] if made else [])]

    def show(self, model: str | None = None) -> list[Shown]:
        """How the routes stand, of one model or of all.

        Raises:
            NotFoundError: No such model.
        """
        found = [self._routes.read(check_model(model))] if model is not None else self._routes.all()
        counts = None
        with contextlib.suppress(UnreachableError):
            counts = self._counts()
        in_order = sorted(found, key=lambda route: str(route["metadata"]["name"]))
        return [self._shown(route, counts) for route in in_order]

    def answered(self, model: str) -> int:
        """How many requests of a model the proxies have begun to answer since each of them started.

        Raises:
            UnreachableError: A proxy does not answer in time, or there is none.
        """
        return self._counts()[model]

    def require_removable(self, model: str) -> None:
        """Refuse a model whose route may not go.

        Raises:
            NotFoundError: No such model.
            RefusedError: An attempt is live, or legacy is retired.
        """
        _require_removable(parse(self._routes.read(check_model(model))))

    def remove(self, model: str) -> None:
        """Delete a model's route, and then what it used. What an earlier call left is deleted, too.

        Raises:
            NotFoundError: No such model.
            RefusedError: An attempt is live, or legacy is retired.
        """
        try:
            self._delete_route(model)
        except NotFoundError:
            self._clear(model)
            raise
        self._clear(model)

    def _clear(self, model: str) -> None:
        for each in _used(self._place, model):
            self._api.delete(each)

    def _delete_route(self, model: str) -> None:
        """Delete the route as it was found fit to go; looked at anew where somebody wrote meanwhile."""
        for left in reversed(range(_CONFLICTS)):
            route = self._routes.read(check_model(model))
            _require_removable(parse(route))
            try:
                return self._routes.delete(route)
            except ConflictError:
                if not left:
                    raise
        return None

    def _known(self, model: str) -> Object | None:
        with contextlib.suppress(NotFoundError):
            return self._routes.read(check_model(model))
        return None

    def _records(self) -> Iterator[Record]:
        for route in self._routes.all():
            with contextlib.suppress(InvalidInputError):
                yield parse(route)

    def _counts(self) -> Counter[str]:
        """Requests by model, over all proxies."""
        total: Counter[str] = Counter()
        for page in self._proxies.look(STATISTICS).values():
            total.update(counted(page, self._place.namespace))
        return total

    def _shown(self, route: Object, counts: Counter[str] | None) -> Shown:
        known, stands = parse(route), parse(route).route()
        return Shown(
            model=stands.model,
            hostnames=tuple(route["spec"].get("hostnames") or ()),
            legacy=f"{stands.stable.host}:{stands.stable.port}",
            listen_port=known.registration.listen_port,
            attempt=stands.attempt,
            weight=stands.weight,
            answered=None if counts is None else counts[stands.model],
            lacking=self._lacking(route),
        )

    def _lacking(self, route: Object) -> str | None:
        try:
            return self._reports.lacking(route)
        except TurnoutError as error:
            return error.observed


def _require_legacy(known: Record) -> None:
    stable = known.registration.stable.name
    if is_attempt(known.registration.model, stable):
        raise RefusedError(
            f"route of {known.registration.model}",
            observed=f"legacy is retired, and {stable} has its place",
            limit="a route with legacy's own servers",
            remedy="Bring legacy back first: the flow `restore`.",
        )


def _require_removable(known: Record) -> None:
    model = known.registration.model
    if known.attempt or known.share:
        raise RefusedError(
            f"route of {model}",
            observed=f"{known.attempt or 'nobody'} is live, with {known.route().weight:.0%} of the traffic",
            limit="no candidate in the route",
            remedy=f"End it first: `turnout abandon {model}`, or `turnout rollback {model} --reason TEXT`.",
        )
    _require_legacy(known)


def _used(place: Place, model: str) -> list[Object]:
    """Everything that a route may have used, in the order in which it goes."""
    backends = (rules.legacy_backend, rules.fallback_backend, rules.door_backend, capture_name)
    names = {
        "EnvoyExtensionPolicy": [capture_name(model)],
        "BackendTrafficPolicy": [f"{model}-{rule}" for rule in (rules.SHIELDED, rules.LEGACY)],
        "EnvoyPatchPolicy": [rules.door_backend(model)],
        "Backend": [name(model) for name in backends],
    }
    return [
        {"apiVersion": f"{ENVOY_GATEWAY}/v1alpha1", "kind": kind, "metadata": metadata(place, model, name)}
        for kind, each in names.items()
        for name in each
    ]
