"""The router on a cluster: HTTPRoutes of one Gateway, each the truth about its traffic (docs/adr/0007)."""

import contextlib
import time
from collections.abc import Callable
from functools import partial

from turnout.domain.errors import InvalidInputError, RefusedError, TurnoutError
from turnout.domain.route import Backend, Opening, Registration, Route, RouteChange, Tombstone
from turnout.fabric.gateway_api import deciding, policies, writing
from turnout.fabric.gateway_api.capturing import capture
from turnout.fabric.gateway_api.door import door
from turnout.fabric.gateway_api.place import Object, Place
from turnout.fabric.gateway_api.proxies import Counts, Proxies
from turnout.fabric.gateway_api.record import Record, parse
from turnout.fabric.gateway_api.reports import Conditions, Reports
from turnout.fabric.gateway_api.routes import Routes, unreported
from turnout.fabric.kubernetes.apply import Applier, ConflictError
from turnout.fabric.router.naming import check_attempt, check_model
from turnout.fabric.router.refusals import require_live

_REPORT_SECONDS = 30.0
_ROLLBACK_REPORT_SECONDS = 2.0
_POLL_SECONDS = 0.05


class GatewayRouter:
    """Routes of all models behind one Gateway.

    Args:
        api: The connection.
        place: Where the Gateway and its routes are.
        sentinel: Who vouches for candidates; its host an IP address, or `SERVICE.NAMESPACE.svc`.
        shadow: Where the shadow service receives; without it nothing is captured.
        reports: What counts as reported; without it, the conditions of the Gateway's controller.
        proxies: Who counts requests; without it, the pods of the Gateway's proxies.
    """

    def __init__(
        self,
        api: Applier,
        place: Place,
        *,
        sentinel: Backend,
        shadow: Backend | None = None,
        reports: Reports | None = None,
        proxies: Counts | None = None,
    ) -> None:
        """Keep where things are; nothing is called yet."""
        self._api = api
        self._place = place
        self._sentinel, self._shadow = sentinel, shadow
        self._routes = Routes(api, place)
        self._proxies = proxies or Proxies(api, place)
        self._reports = reports or Conditions(place)

    def register(self, registration: Registration) -> Route:
        """See `Router.register`. The port is the candidate's door's in each proxy, one of its own a model."""
        check_model(registration.model)
        self._require_door_of_its_own(registration)
        self._api.apply(policies.for_model(self._place, registration))
        try:
            self._routes.make(deciding.found(self._place, registration))
        except ConflictError:
            again = partial(deciding.registered, place=self._place, registration=registration)
            writing.write(self._routes, registration.model, again)
        return self._reported(registration.model).route()

    def read(self, model: str) -> Route:
        """See `Router.read`."""
        return self._record(model).route()

    def open(self, opening: Opening) -> Route:
        """See `Router.open`. A live attempt's candidate may move to another address."""
        check_attempt(opening.model, opening.attempt)
        writing.write(self._routes, opening.model, lambda now: deciding.opening(now, opening))
        self._make_door(opening)
        known = self._reported(opening.model)
        require_live(opening.model, known.attempt, opening.attempt)
        return known.route()

    def change(self, change: RouteChange) -> Route:
        """See `Router.change`."""
        check_model(change.model)
        if change.attempt is not None:
            check_attempt(change.model, change.attempt)
        writing.write(self._routes, change.model, lambda now: deciding.change(now, change))
        known = self._reported(change.model)
        self._capture(known)
        require_live(change.model, known.attempt, change.attempt)
        return known.route()

    def roll_back(self, model: str, attempt: str, *, reason: str, by: str) -> Tombstone:
        """See `Router.roll_back`. One patch, then a bounded wait for a report."""
        check_attempt(model, attempt)
        tombstone = Tombstone(model=model, attempt=attempt, reason=reason, by=by, at_seconds=time.time())
        made = writing.end(self._routes, tombstone)
        with contextlib.suppress(TurnoutError):  # also where nobody reports: the proxies follow the route
            self._reported(model, _ROLLBACK_REPORT_SECONDS)
        return made

    def under_way(self, model: str, attempt: str) -> int:
        """See `Router.under_way`."""
        check_attempt(model, attempt)
        self._record(model)
        return self._proxies.active(attempt)

    def tombstone(self, model: str, attempt: str) -> Tombstone | None:
        """See `Router.tombstone`."""
        check_attempt(model, attempt)
        return self._record(model).tombstone(attempt)

    def all_routes(self) -> dict[str, Route]:
        """The routes of all registered models, by one call; those that cannot be read are left out.

        Raises:
            UnreachableError: No answer.
        """
        routes = {}
        for each in self._routes.all():
            with contextlib.suppress(InvalidInputError):
                record = parse(each)
                routes[record.registration.model] = record.route()
        return routes

    def models(self) -> list[str]:
        """Names of the registered models."""
        return self._routes.models()

    def _record(self, model: str) -> Record:
        return parse(self._routes.read(check_model(model)))

    def _make_door(self, opening: Opening) -> None:
        registration = self._record(opening.model).registration
        self._require_door_of_its_own(registration)  # again: two may have been registered at once
        made = door(self._place, registration, opening, self._guard())
        self._api.apply([*policies.for_attempt(self._place, registration, opening.policy), made])
        self._await(opening.model, lambda: self._api.call("GET", self._api.path(made)), _REPORT_SECONDS)

    def _capture(self, known: Record) -> None:
        """Hand exchanges to the shadow service while a share of them is captured."""
        if self._shadow is None:
            return
        objects = capture(self._place, known.now.model, self._shadow)
        if known.now.capture_share > 0:
            self._api.apply(objects)
        else:
            self._api.delete(objects[-1])

    def _require_door_of_its_own(self, registration: Registration) -> None:
        for other in self._routes.all():
            theirs = parse(other).registration
            if theirs.model != registration.model and theirs.listen_port == registration.listen_port:
                raise RefusedError(
                    f"model {registration.model}",
                    observed=f"listen_port {registration.listen_port}, which {theirs.model} has",
                    limit="a port of its own: the candidate's door listens there in each proxy",
                    remedy=f"Run: turnout route register {registration.model}",
                )

    def _guard(self) -> Backend:
        """The sentinel at an address: Envoy resolves no names for health checks."""
        if policies.is_address(self._sentinel.host):
            return self._sentinel
        service, namespace, *_ = self._sentinel.host.split(".")
        path = f"/api/v1/namespaces/{namespace}/services/{service}"
        found = self._api.call("GET", path, named=f"Service {namespace}/{service}")
        return self._sentinel.model_copy(update={"host": found["spec"]["clusterIP"]})

    def _reported(self, model: str, seconds: float = _REPORT_SECONDS) -> Record:
        """The route as it stands once the Gateway reports it (a later one than ours is as good)."""
        return parse(self._await(model, lambda: self._routes.read(model), seconds))

    def _await(self, model: str, read: Callable[[], Object], seconds: float) -> Object:
        deadline = time.monotonic() + seconds
        while (lacking := self._reports.lacking(found := read())) is not None:
            if time.monotonic() >= deadline:
                raise unreported(model, seconds, lacking)
            time.sleep(_POLL_SECONDS)
        return found
